"""What the document on hooks shows is what a hook gets, and its examples work."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.clock import SystemClock
from rotator.adapters.hooks import PATH, document, variables
from rotator.adapters.webhook import signed
from rotator.core.secret_value import SecretValue
from rotator.settings import CommandHook
from rotator.wiring_hooks import open_hooks
from tests.contract.test_hooks import OCCASION
from tests.contract.test_webhook import listening
from tests.entry.documents import DOCS, Block, blocks_of, code_in, rows_of, sections_of
from tests.settings.files import CANARY, GOOD, loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.entry.site import Site

HOOKS = DOCS / "hooks.md"


def block(kind: str) -> Block:
    (found,) = [each for each in blocks_of(HOOKS) if each.kind == kind]
    return found


def test_every_variable_of_a_command_is_explained() -> None:
    rows = rows_of(sections_of(HOOKS, 2)["Commands"])

    assert [code_in(row[0])[0] for row in rows] == ["PATH", "LANG", *variables(OCCASION)]
    assert ":".join(code_in(rows[0][1])) == PATH


def test_every_key_of_a_webhook_is_explained() -> None:
    rows = rows_of(sections_of(HOOKS, 2)["Webhooks"])

    assert [key for row in rows for key in code_in(row[0])] == [*json.loads(document(OCCASION))]


async def test_the_script_reloads_once_for_each_rotation(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    text = block("script").text.replace("/var/lib/billing", f"{tmp_path}/state").replace("/run/billing", str(tmp_path))
    (tmp_path / "script").write_text(text)
    hooks = f"hooks: {{reload: {{command: [/bin/sh, {tmp_path}/script]}}}}\n"
    opened = open_hooks(loaded(tmp_path, GOOD + hooks), SystemClock())

    first = await opened.run("reload", OCCASION)
    (tmp_path / "reload").unlink()
    again = await opened.run("reload", OCCASION)

    assert (first.good, first.detail) == (True, "exit code 0: kv/billing/okta is at version 7")
    assert (again.good, again.detail, (tmp_path / "reload").exists()) == (True, "exit code 0", False)


@pytest.mark.parametrize(
    ("change", "taken"),
    [
        pytest.param(lambda headers, body: (headers, body), True, id="as it came"),
        pytest.param(lambda headers, body: (headers, body + b" "), False, id="another body"),
        pytest.param(lambda headers, body: ({**headers, "Rotator-Timestamp": f"{time.time() + 1:.0f}"}, body), False,
                     id="another time"),
        pytest.param(lambda _, body: (signed(body, SecretValue("other"), datetime.now(UTC)), body), False,
                     id="another secret"),
        pytest.param(lambda _, body: (signed(body, SecretValue("key"), datetime(2026, 1, 1, tzinfo=UTC)), body), False,
                     id="an old one"),
    ],
)  # fmt: skip
def test_the_check_takes_what_is_genuine_and_fresh_alone(change: Callable[..., Any], taken: bool) -> None:
    told: dict[str, Any] = {}
    exec(block("check").text, told)
    body = document(OCCASION)

    headers, body = change(signed(body, SecretValue("key"), datetime.now(UTC)), body)

    assert told["genuine"](headers, body, b"key") is taken


async def test_hooks_of_a_configuration_are_run_as_it_says(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(CANARY)
    async with listening() as server:
        (tmp_path / "address").write_text(server.url)
        settings = loaded(
            tmp_path,
            GOOD + "hooks:\n"
            f"  note: {{command: [/bin/sh, -c, 'echo $REGION > seen'], env: [REGION], cwd: {tmp_path}, timeout: 9s}}\n"
            "  tell: {url_file: address, secret_file: key}\n",
            REGION="north",
        )
        opened = open_hooks(settings, SystemClock())
        noted, told = await opened.run("note", OCCASION), await opened.run("tell", OCCASION)

    assert isinstance(settings.hooks["note"], CommandHook)
    assert (noted.good, told.good) == (True, True)
    assert (tmp_path / "seen").read_text() == "north\n"
    assert signed(server.bodies[0], SecretValue(CANARY), datetime.now(UTC)).keys() <= {
        name.title() for name in server.heads[0]
    }
    assert CANARY not in repr(noted) + repr(told) + repr(settings)


# --- from the command to the hook -----------------------------------------------------------------------------


def hooked(site: Site, script: str, more: str = "") -> None:
    """Have every rotation run a script that is given what it is told."""
    site.policy = f"{{mode: auto, hooks: [note{more}]}}"
    site.extra["hooks"] = {
        "note": {"command": ["/bin/sh", "-c", script], "cwd": str(site.folder)},
        "after": {"command": ["/bin/sh", "-c", "echo after >> order"], "cwd": str(site.folder)},
    }


def test_a_rotation_writes_to_every_place_then_runs_the_hooks_in_their_order(site: Site) -> None:
    app = site.add()
    site.targets["billing"]["write_to"].append({"mount": "secret", "path": "reports/okta"})
    hooked(site, "env > told; cat /proc/$$/cmdline >> told; echo note >> order; echo all told >&2", ", after")

    ran = site.run("rotate", "billing", "-o", "json")

    told = (site.folder / "told").read_text()
    value = site.fields()["client_secret"]
    assert ran.code == 0, ran.err
    assert site.holder(app) is app.secrets[-1]
    assert (site.box.vault.read("secret", "reports/okta") or {})["client_secret"] == value
    assert f"ROTATOR_ROTATION_ID={site.fields()['rotation_id']}\n" in told
    assert f"ROTATOR_SECRET_ID={app.secrets[-1].id}\n" in told
    assert "ROTATOR_VAULT_PATH=secret/billing/okta\n" in told
    assert (site.folder / "order").read_text().split() == ["note", "after"]
    assert "all told" in ran.err
    assert [each for each in (value, app.secrets[0].value, site.api_token) if each in told + ran.out + ran.err] == []


def test_a_hook_that_fails_takes_nothing_back_and_is_run_again(site: Site) -> None:
    app = site.add()
    hooked(site, "ls seen && exit 0; touch seen; echo client_secret=not-for-others >&2; exit 3")

    first = site.run("rotate", "billing", "-o", "json")
    site.box.clock.advance(timedelta(hours=1))
    again = site.run("reconcile", "-o", "json")

    assert site.holder(app) is app.secrets[-1]
    assert "exit code 3" in first.out + first.err
    assert "not-for-others" not in first.out + first.err
    assert again.code == 0, again.err
    assert "hook_run" in [event["event"] for event in again.events()]
