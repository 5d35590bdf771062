"""The emulator's knobs: what a test needs and a real server does not do at will."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.vault import VaultSettings
from rotator.sandbox.vault_tokens import TokenTraits
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Call = Callable[..., requests.Response]
Open = Callable[..., tuple[Sandbox, Call]]


@pytest.fixture
def open_vault() -> Iterator[Open]:
    """Open a sandbox whose clock stands still; return it and a client with the root token."""
    opened: list[Sandbox] = []

    def open_one(**settings: Any) -> tuple[Sandbox, Call]:
        box = Sandbox(clock=SandboxClock(NOON, speed=0), vault=VaultSettings(**settings))
        box.start()
        opened.append(box)

        def call(method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
            head = {"X-Vault-Token": "root", **{name.replace("_", "-"): value for name, value in headers.items()}}
            url = f"{box.vault_url}/v1/{path}"
            return requests.request(method, url, json=body, headers=head, timeout=5, allow_redirects=False)

        return box, call

    yield open_one
    for box in opened:
        box.stop()


def errors(got: requests.Response) -> tuple[int, list[str]]:
    return got.status_code, got.json()["errors"]


STALE = (412, ["required index state not present"])
WRITE = {"data": {"k": "2"}}


def test_with_a_clock_that_stands_still_deleting_acts_at_once(open_vault: Open) -> None:
    box, call = open_vault()
    box.vault.put("secret", "a", {"k": "1"})
    call("DELETE", "secret/data/a")

    assert call("GET", "secret/data/a").status_code == 404


# --- a standby that lags --------------------------------------------------------------------------------------


def test_a_lagging_node_reads_old_data_but_writes_on_the_active_one(open_vault: Open) -> None:
    box, call = open_vault()
    box.vault.put("secret", "a", {"k": "1"})
    box.clock.advance(timedelta(minutes=1))
    box.vault.settings.read_lag = timedelta(seconds=10)
    written = call("POST", "secret/data/a", {**WRITE, "options": {"cas": 1}})

    old = call("GET", "secret/data/a").json()["data"]
    missing = call("GET", "secret/data/a?version=2")
    metadata = call("GET", "secret/metadata/a").json()["data"]
    box.clock.advance(timedelta(seconds=10))

    assert written.json()["data"]["version"] == 2
    assert (old["data"], old["metadata"]["version"], metadata["current_version"]) == ({"k": "1"}, 1, 1)
    assert errors(missing) == (404, [])
    assert call("GET", "secret/data/a").json()["data"]["data"] == {"k": "2"}


def test_a_stale_cas_is_refused_all_the_same(open_vault: Open) -> None:
    box, call = open_vault(read_lag=timedelta(seconds=10))
    box.vault.put("secret", "a", {"k": "1"})

    assert call("GET", "secret/metadata/a").status_code == 404
    assert call("POST", "secret/data/a", {**WRITE, "options": {"cas": 0}}).status_code == 400


def test_lists_and_deletions_lag_too(open_vault: Open) -> None:
    box, call = open_vault()
    box.vault.put("secret", "a", {})
    box.clock.advance(timedelta(minutes=1))
    box.vault.settings.read_lag = timedelta(seconds=10)
    box.vault.put("secret", "b", {})
    box.vault.delete_metadata("secret", "a")

    assert call("LIST", "secret/metadata").json()["data"]["keys"] == ["a"]
    box.clock.advance(timedelta(seconds=10))
    assert call("LIST", "secret/metadata").json()["data"]["keys"] == ["b"]


def test_a_server_with_an_index_says_how_far_it_is_and_refuses_what_it_has_not_got_to(open_vault: Open) -> None:
    box, call = open_vault(has_index=True, read_lag=timedelta(seconds=10))
    index = call("POST", "secret/data/a", WRITE).headers["X-Vault-Index"]

    assert errors(call("GET", "secret/data/a", X_Vault_Index=index)) == STALE
    assert call("GET", "secret/data/a").status_code == 404
    assert call("GET", "secret/data/a", X_Vault_Forward="active-node").status_code == 200
    forwarded = call("GET", "secret/data/a", X_Vault_Index=index, X_Vault_Inconsistent="forward-active-node")
    assert forwarded.status_code == 200
    box.clock.advance(timedelta(seconds=10))
    assert call("GET", "secret/data/a", X_Vault_Index=index).status_code == 200


def test_without_an_index_none_is_told_and_none_is_looked_at(open_vault: Open) -> None:
    _, call = open_vault(read_lag=timedelta(seconds=10))

    assert "X-Vault-Index" not in call("POST", "secret/data/a", WRITE).headers
    assert call("GET", "secret/data/a", X_Vault_Index="djE6OQ==").status_code == 404


def test_the_next_calls_can_be_refused_with_412_and_nothing_is_applied(open_vault: Open) -> None:
    box, call = open_vault(stale_refusals=1)

    assert errors(call("POST", "secret/data/a", WRITE)) == STALE
    assert box.vault.key("secret", "a") is None
    assert call("POST", "secret/data/a", WRITE).status_code == 200


# --- nodes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "status"),
    [
        ({"node": "active"}, 200),
        ({"node": "standby"}, 429),
        ({"node": "performance_standby", "flavour": "vault"}, 473),
        ({"node": "dr_secondary", "flavour": "vault"}, 472),
        ({"is_initialised": False}, 501),
    ],
)
def test_the_status_of_health_is_the_state_of_the_node(open_vault: Open, settings: Any, status: int) -> None:
    _, call = open_vault(**settings)

    assert call("GET", "sys/health").status_code == status


def test_the_query_asks_for_other_codes(open_vault: Open) -> None:
    box, call = open_vault(node="standby")

    assert call("GET", "sys/health?standbyok=true").status_code == 200
    assert call("GET", "sys/health?standbycode=299").status_code == 299
    box.vault.settings.node = "performance_standby"
    assert call("GET", "sys/health?perfstandbyok=true").status_code == 200
    assert call("GET", "sys/health?performancestandbycode=298").status_code == 298


def test_a_standby_forwards_unless_it_redirects(open_vault: Open) -> None:
    box, call = open_vault(node="standby", leader_url="https://active:8200")
    forwarded = call("POST", "secret/data/a", WRITE)
    box.vault.settings.redirects_to_leader = True
    redirected = call("POST", "secret/data/a", WRITE)

    assert forwarded.status_code == 200
    assert (redirected.status_code, redirected.headers["Location"]) == (307, "https://active:8200/v1/secret/data/a")
    assert box.vault.key("secret", "a").current == 1  # type: ignore[union-attr]
    told = call("GET", "sys/leader").json()
    assert (told["ha_enabled"], told["is_self"], told["leader_address"]) == (True, False, "https://active:8200")


def test_a_disaster_recovery_secondary_refuses_data(open_vault: Open) -> None:
    _, call = open_vault(node="dr_secondary", flavour="vault")

    assert errors(call("GET", "secret/data/a")) == (400, ["path disabled in replication DR secondary mode"])


def test_a_server_can_be_sealed_and_unsealed(open_vault: Open) -> None:
    box, call = open_vault()
    box.vault.seal()
    sealed = errors(call("GET", "secret/data/a"))
    box.vault.unseal()

    assert sealed == (503, ["Vault is sealed"])
    assert errors(call("GET", "secret/data/a")) == (404, [])


def test_an_uninitialised_server_is_sealed(open_vault: Open) -> None:
    _, call = open_vault(is_initialised=False)

    assert call("GET", "secret/data/a").status_code == 503


# --- refusals -------------------------------------------------------------------------------------------------


def test_a_quota_refuses_what_is_too_much_until_its_interval_is_over(open_vault: Open) -> None:
    box, call = open_vault(quota=2, quota_interval=timedelta(seconds=10))
    statuses = [call("POST", "secret/data/a", WRITE).status_code for _ in range(2)]
    refused = call("POST", "secret/data/a", WRITE)
    box.clock.advance(timedelta(seconds=10))

    assert statuses == [200, 200]
    assert errors(refused) == (429, ['request path "secret/data/a": rate limit quota exceeded'])
    assert "Retry-After" not in refused.headers
    assert call("POST", "secret/data/a", WRITE).json()["data"]["version"] == 3


def test_a_quota_tells_when_to_come_back_only_if_the_operator_wants_it(open_vault: Open) -> None:
    box, call = open_vault(quota=1, quota_interval=timedelta(seconds=10), quota_headers=True)
    first = call("GET", "secret/data/a")
    box.clock.advance(timedelta(seconds=3))
    second = call("GET", "secret/data/a", X_Vault_Token="s.unknown")

    assert (first.headers["X-Ratelimit-Limit"], first.headers["X-Ratelimit-Remaining"]) == ("1", "0")
    assert "Retry-After" not in first.headers
    assert (second.status_code, second.headers["Retry-After"], second.headers["X-Ratelimit-Reset"]) == (429, "7", "7")


def test_health_is_not_counted(open_vault: Open) -> None:
    _, call = open_vault(quota=1)

    assert [call("GET", "sys/health").status_code for _ in range(3)] == [200] * 3


def test_an_old_server_answers_400_where_no_token_is_sent(open_vault: Open) -> None:
    box, _ = open_vault(no_token=400)

    got = requests.get(f"{box.vault_url}/v1/secret/data/a", timeout=5)

    assert errors(got) == (400, ["missing client token"])


def test_a_mount_that_is_being_upgraded_refuses_for_a_moment(open_vault: Open) -> None:
    box, call = open_vault()
    box.vault.kv("secret").is_upgrading = True
    got = call("POST", "secret/data/a", WRITE)

    assert got.status_code == 400
    assert got.json()["errors"][0].startswith("Upgrading from non-versioned to versioned data.")
    assert box.vault.key("secret", "a") is None


def test_a_proxy_may_add_a_charset(open_vault: Open) -> None:
    _, call = open_vault(content_type="application/json; charset=utf-8")

    for got in (call("POST", "secret/data/a", WRITE), call("GET", "secret/data/nope")):
        assert got.headers["Content-Type"] == "application/json; charset=utf-8"


# --- flavours -------------------------------------------------------------------------------------------------


def test_vault_says_invalid_token_where_openbao_says_permission_denied(open_vault: Open) -> None:
    _, call = open_vault(flavour="vault")
    both = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"

    assert errors(call("GET", "secret/data/a", X_Vault_Token="s.unknown")) == (403, [both])


def test_vault_has_no_cas_for_metadata_and_does_not_tell_its_fields(open_vault: Open) -> None:
    _, call = open_vault(flavour="vault")
    call("POST", "secret/metadata/a", {"max_versions": 3})
    ignored = call("POST", "secret/metadata/a", {"max_versions": 4, "metadata_cas": 99})

    told = call("GET", "secret/metadata/a").json()["data"]
    assert ignored.status_code == 204
    assert told["max_versions"] == 4
    assert "metadata_cas_required" not in told
    assert "current_metadata_version" not in told
    assert "metadata_cas_required" not in call("GET", "secret/config").json()["data"]


def test_vault_names_the_type_of_the_mount(open_vault: Open) -> None:
    _, call = open_vault(flavour="vault")
    _, openbao = open_vault()

    assert call("POST", "secret/data/a", WRITE).json()["mount_type"] == "kv"
    assert "mount_type" not in openbao("POST", "secret/data/a", WRITE).json()


def test_vault_advises_its_own_command(open_vault: Open) -> None:
    _, call = open_vault(flavour="vault")

    assert "Vault CLI, use 'vault kv get'" in call("GET", "secret/a").json()["warnings"][0]


def test_vault_answers_health_in_a_namespace_and_tells_of_performance_standbys(open_vault: Open) -> None:
    _, call = open_vault(flavour="vault")
    got = call("GET", "sys/health", X_Vault_Namespace="ns")

    assert (got.status_code, got.json()["performance_standby"]) == (200, False)


@pytest.mark.parametrize(("flavour", "service", "batch"), [("vault", "hvs.", "hvb."), ("openbao", "s.", "b.")])
def test_tokens_have_the_flavours_prefix(open_vault: Open, flavour: str, service: str, batch: str) -> None:
    box, _ = open_vault(flavour=flavour)

    assert box.vault.create_token().startswith(service)
    assert box.vault.create_token(kind="batch").startswith(batch)


def test_a_vault_without_namespaces_refuses_the_header(open_vault: Open) -> None:
    _, call = open_vault(flavour="vault", namespaces=False)

    got = call("GET", "secret/data/a", X_Vault_Namespace="ns")

    assert errors(got) == (403, ["namespaces feature not enabled"])


# --- a person's hands -----------------------------------------------------------------------------------------


def test_a_person_writes_reads_deletes_and_destroys(open_vault: Open) -> None:
    box, call = open_vault()
    vault = box.vault
    numbers = [vault.put("secret", "a", {"n": str(n)}) for n in range(3)]
    vault.delete("secret", "a")
    after_delete = vault.read("secret", "a")
    vault.undelete("secret", "a", 3)
    vault.destroy("secret", "a", 1)

    assert numbers == [1, 2, 3]
    assert after_delete is None
    assert (vault.read("secret", "a"), vault.read("secret", "a", version=1)) == ({"n": "2"}, None)
    assert call("GET", "secret/data/a?version=1").json()["data"]["metadata"]["destroyed"] is True
    vault.delete_metadata("secret", "a")
    assert vault.key("secret", "a") is None


def test_the_maximum_of_a_role_and_of_the_server_hold(open_vault: Open) -> None:
    box, call = open_vault()
    by_role = box.vault.create_token(ttl=timedelta(hours=1), max_ttl=timedelta(minutes=30))
    by_server = box.vault.create_token(ttl=timedelta(hours=9000))
    periodic = box.vault.create_token(period=timedelta(hours=9000))

    def ttl(token: str) -> Any:
        return call("GET", "auth/token/lookup-self", X_Vault_Token=token).json()["data"]["ttl"]

    assert (ttl(by_role), ttl(by_server), ttl(periodic)) == (1800, 768 * 3600, 768 * 3600)


def test_past_its_maximum_a_token_that_has_not_died_yet_is_refused_with_500(open_vault: Open) -> None:
    box, call = open_vault()
    box.clock.advance(timedelta(milliseconds=900))
    token = box.vault.create_token(ttl=timedelta(seconds=3), explicit_max_ttl=timedelta(seconds=3))
    box.clock.advance(timedelta(milliseconds=2500))

    got = call("POST", "auth/token/renew-self", {}, X_Vault_Token=token)

    assert errors(got) == (500, ["1 error occurred:\n\t* past the max TTL, cannot renew\n\n"])


def test_a_token_can_be_revoked_under_its_users_hands(open_vault: Open) -> None:
    box, call = open_vault()
    token = box.vault.create_token()
    before = box.vault.token(token)
    box.vault.revoke_token(token)

    assert before is not None
    assert box.vault.token(token) is None
    assert call("GET", "auth/token/lookup-self", X_Vault_Token=token).status_code == 403


def test_a_person_hands_over_a_wrapped_secret_id(open_vault: Open) -> None:
    box, call = open_vault()
    role = box.vault.add_approle("deploy", TokenTraits(policies=("p",)))
    token = box.vault.wrap_secret_id(role, ttl=timedelta(minutes=2))
    looked = call("POST", "sys/wrapping/lookup", {"token": token}).json()["data"]
    inner = call("POST", "sys/wrapping/unwrap", X_Vault_Token=token).json()["data"]

    assert (looked["creation_path"], looked["creation_ttl"]) == ("auth/approle/role/deploy/secret-id", 120)
    body = {"role_id": role.role_id, "secret_id": inner["secret_id"]}
    assert call("POST", "auth/approle/login", body).json()["auth"]["policies"] == ["default", "p"]


def test_settings_can_be_changed_from_outside_but_not_who_the_server_is(open_vault: Open) -> None:
    box, call = open_vault()

    def change(**settings: Any) -> requests.Response:
        return requests.post(f"{box.vault_url}/_sandbox/vault/set", json=settings, timeout=5)

    assert change(read_lag=5, quota=3).status_code == 200
    assert (box.vault.settings.read_lag, box.vault.settings.quota) == (timedelta(seconds=5), 3)
    assert change(flavour="vault").status_code == 400
    assert change(nonsense=1).status_code == 400
    assert call("GET", "sys/health").json()["version"] == "2.6.2"


@pytest.mark.parametrize(
    ("method", "path", "kind"),
    [
        ("GET", "secret/data/a", "kv.read"),
        ("POST", "secret/data/a", "kv.write"),
        ("PATCH", "secret/data/a", "kv.patch"),
        ("DELETE", "secret/data/a", "kv.delete"),
        ("POST", "secret/destroy/a", "kv.destroy"),
        ("GET", "secret/metadata/a", "kv.metadata.read"),
        ("GET", "secret/metadata?list=true", "kv.metadata.list"),
        ("POST", "secret/config", "kv.config.write"),
        ("GET", "sys/internal/ui/mounts/secret", "sys.mounts"),
        ("POST", "sys/capabilities-self", "sys.capabilities-self"),
        ("GET", "sys/health", "sys.health"),
        ("POST", "auth/token/renew-self", "token.renew-self"),
        ("GET", "nope/a", "unmounted.read"),
        ("FOO", "secret/data/a", "FOO"),
    ],
)
def test_the_journal_names_the_kind_of_each_call(open_vault: Open, method: str, path: str, kind: str) -> None:
    box, call = open_vault()
    call(method, path)

    assert box.journal.calls()[-1].kind == kind
