"""The emulator and a real server, asked the same long row of random questions, answer alike."""

from __future__ import annotations

import json
import random
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.vault_stand import MERGE, AtTheConsole, OverHttp, Stand

if TYPE_CHECKING:
    import requests

    from rotator.sandbox.world import Sandbox
    from tests.dev_vault import RealVault

Question = tuple[str, str, Any]
VALUES = ["text", "", "é<&>", 5, 1.5, True, None, [], [1, "a"], {}, {"deep": {"er": "1"}}]
KEYS = ["a", "b", "dir/c", "dir"]


def question(rng: random.Random) -> Question:
    key = rng.choice(KEYS)
    versions = {"versions": rng.choice([[1], [1, 2], ["3"], "1,2", [9], [], None])}
    fields = {rng.choice("xyz"): rng.choice(VALUES) for _ in range(rng.randint(0, 3))}
    body: dict[str, Any] = {"data": rng.choice([fields, fields, fields, None, "text"])}
    if rng.random() < 0.6:
        body["options"] = {"cas": rng.choice([*range(6), "2", None, "x", -1])}
    settings: dict[str, Any] = rng.choice(
        [
            {"max_versions": rng.choice([0, 2, 4, 11, "3", "x"])},
            {"cas_required": rng.choice([True, False, "0"])},
            {"delete_version_after": rng.choice(["1h", "0s", 90, "-5s", "x"])},
            {"custom_metadata": {rng.choice("kl"): rng.choice(["v", "", None, "x" * 600, 5])}},
            {},
        ]
    )
    return rng.choice(
        [
            ("POST", f"data/{key}", body),
            ("POST", f"data/{key}", body),
            ("PATCH", f"data/{key}", body),
            ("GET", f"data/{key}", None),
            ("GET", f"data/{key}?version={rng.choice([1, 2, 5, 'x'])}", None),
            ("DELETE", f"data/{key}", None),
            ("POST", f"{rng.choice(['delete', 'undelete', 'destroy'])}/{key}", versions),
            ("GET", f"metadata/{key}", None),
            ("POST", f"metadata/{key}", settings),
            ("PATCH", f"metadata/{key}", {name: value for name, value in settings.items() if name == "cas_required"}),
            ("DELETE", f"metadata/{key}", None) if rng.random() < 0.2 else ("LIST", "metadata/dir", None),
            ("LIST", "metadata", None),
            ("GET", f"subkeys/{key}", None),
            ("POST", "config", settings if rng.random() < 0.3 else {"cas_required": False}),
            ("GET", "config", None),
        ]
    )


def told(got: requests.Response, stand: Stand) -> tuple[int, str, str]:
    """Return what can be compared: without ids, times and the name of the mount."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", got.text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "TIME", text).replace(stand.mount, "MOUNT")
    return got.status_code, got.headers["Content-Type"], text


@pytest.mark.real_vault
@pytest.mark.parametrize("seed", range(5))
def test_both_answer_alike_whatever_is_asked(vault_box: Sandbox, real_vault: RealVault, seed: int) -> None:
    rng = random.Random(seed)
    questions = [question(rng) for _ in range(200)]
    real = Stand(real_vault.address, real_vault.token, OverHttp(real_vault), None)
    emulated = Stand(vault_box.vault_url, "root", AtTheConsole(vault_box), vault_box.clock)
    if not real.is_openbao:
        pytest.skip("the emulator runs as OpenBao here")

    for n, (method, path, body) in enumerate(questions):
        head = MERGE if method == "PATCH" else None
        answers = [told(stand.kv(method, path, body, headers=head), stand) for stand in (emulated, real)]

        assert answers[0] == answers[1], (n, method, path, json.dumps(body))
    real.close()
    emulated.close()


# --- what a policy allows -------------------------------------------------------------------------------------

CAPABILITIES = ["create", "read", "update", "delete", "list", "patch", "sudo", "deny"]
PARTS = ["a", "b", "ab", "+", "+"]
ENDS = ["a", "b", "ab", "+", "*", "a*", "", "a/", "+/"]


def rules(rng: random.Random, top: str) -> dict[str, list[str]]:
    """Return a policy whose patterns get in each other's way."""
    patterns = [
        "/".join([top, *rng.choices(PARTS, k=rng.randint(0, 3)), rng.choice(ENDS)]) for _ in range(rng.randint(1, 6))
    ]
    return {
        pattern: rng.sample(CAPABILITIES[:-1], rng.randint(1, 4)) if rng.random() < 0.9 else ["deny"]
        for pattern in patterns
    }


def paths(rng: random.Random, top: str) -> list[str]:
    """Return paths that may fit them, with a slash at the end or an empty segment among them."""
    ends = ["a", "b", "ab", "abc", "", "a/"]
    return [
        "/".join([top, *rng.choices(["a", "b", "ab", ""], k=rng.randint(0, 4)), rng.choice(ends)]) for _ in range(60)
    ]


@pytest.mark.real_vault
@pytest.mark.parametrize("seed", range(20))
def test_both_find_the_same_rights_in_a_policy(vault_box: Sandbox, real_vault: RealVault, seed: int) -> None:
    stands = (
        Stand(vault_box.vault_url, "root", AtTheConsole(vault_box), vault_box.clock),
        Stand(real_vault.address, real_vault.token, OverHttp(real_vault), None),
    )
    rng = random.Random(seed)
    top = f"t{rng.getrandbits(32):x}"
    policies = [rules(rng, top) for _ in range(rng.randint(1, 3))]
    asked = {"paths": sorted(set(paths(rng, top)))}

    told = []
    for stand in stands:
        token = stand.operator.token([stand.new_policy(each) for each in policies], {})
        answer = stand.call("POST", "sys/capabilities-self", asked, token=token)
        told.append(answer.json()["data"])
        stand.close()

    assert told[0] == told[1], policies


# --- the shape of all that is asked ---------------------------------------------------------------------------

LIVES: dict[str, dict[str, Any]] = {
    "for a while": {"ttl": timedelta(minutes=20)},
    "periodic": {"period": timedelta(minutes=10)},
    "batch": {"kind": "batch", "ttl": timedelta(minutes=5)},
    "few uses": {"uses": 9},
    "an end": {"ttl": timedelta(minutes=5), "explicit_max_ttl": timedelta(minutes=9)},
    "not renewable": {"ttl": timedelta(minutes=5), "renewable": False},
    "as it comes": {},
}
OF_THE_WIRE = {"Connection", "Content-Length", "Server", "Strict-Transport-Security"}


def shape(value: Any) -> Any:
    """Return the names and the types in a document."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    return [shape(inner) for inner in value[:1]] if isinstance(value, list) else type(value).__name__


def shapes(stand: Stand) -> dict[str, Any]:
    """Ask all that the program may ask, well and badly, and return the shape of each answer."""
    found: dict[str, Any] = {}

    def ask(name: str, method: str, path: str, body: Any = None, *, token: str | None = "") -> Any:
        got = stand.call(method, path, body, token=token)
        content = got.json() if got.content else None
        found[name] = got.status_code, shape(content), sorted(set(got.headers) - OF_THE_WIRE)
        return content

    for name in ("health", "seal-status", "leader"):
        ask(name, "GET", f"sys/{name}", token=None)
    ask("mount", "GET", f"sys/internal/ui/mounts/{stand.mount}/a")
    tokens = {name: stand.new_token({"{m}/*": ["read"]}, **life) for name, life in LIVES.items()} | {"root": ""}
    for name, token in tokens.items():
        ask(f"{name}: look up", "GET", "auth/token/lookup-self", token=token)
        ask(f"{name}: renew", "POST", "auth/token/renew-self", {}, token=token)
        ask(f"{name}: look up again", "GET", "auth/token/lookup-self", token=token)
        if token:
            ask(f"{name}: revoke", "POST", "auth/token/revoke-self", {}, token=token)
            ask(f"{name}: look up at last", "GET", "auth/token/lookup-self", token=token)
    role, role_id = stand.new_approle(period=timedelta(minutes=10))
    secret = ask("secret id", "POST", f"auth/approle/role/{role}/secret-id", {})["data"]["secret_id"]
    login = ask("log in", "POST", "auth/approle/login", {"role_id": role_id, "secret_id": secret}, token=None)
    token = login["auth"]["client_token"]
    ask("a login: look up", "GET", "auth/token/lookup-self", token=token)
    ask("a login: renew", "POST", "auth/token/renew-self", {}, token=token)
    for paths in (["a/b"], ["a/b", "c"], []):
        ask(f"rights on {len(paths)}", "POST", "sys/capabilities-self", {"paths": paths})
    ask("a mount's settings", "GET", f"{stand.mount}/config")
    ask("write", "POST", f"{stand.mount}/data/x/y", {"data": {"a": "b"}, "options": {"cas": 0}})
    for when in ("then", "destroyed"):
        ask(f"read, {when}", "GET", f"{stand.mount}/data/x/y")
        ask(f"read by number, {when}", "GET", f"{stand.mount}/data/x/y?version=1")
        ask(f"metadata, {when}", "GET", f"{stand.mount}/metadata/x/y")
        ask(f"destroy, {when}", "POST", f"{stand.mount}/destroy/x/y", {"versions": [1, 99]})
    ask("destroy what is not there", "POST", f"{stand.mount}/destroy/nope", {"versions": [1]})
    return found


@pytest.mark.real_vault
def test_answers_of_both_have_the_same_shape(vault_box: Sandbox, real_vault: RealVault) -> None:
    real = Stand(real_vault.address, real_vault.token, OverHttp(real_vault), None)
    emulated = Stand(vault_box.vault_url, "root", AtTheConsole(vault_box), vault_box.clock)
    if not real.is_openbao:
        pytest.skip("the emulator runs as OpenBao here")

    assert shapes(emulated) == shapes(real)
    real.close()
    emulated.close()
