"""What the Vault adapter adds to the port: mounts, paths, standbys, redirects, warnings."""

from __future__ import annotations

import asyncio
import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import pytest

from rotator import __version__
from rotator.core.model import KvPath
from rotator.errors import (
    RefusedError,
    UnavailableError,
)
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox
from tests.contract.vault_bench import (
    AFTER,
    EITHER,
    PATH,
    READ,
    TOKEN,
    WRITE,
    Connect,
    Vault,
    failure,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("no_leak_into_the_log")


# --- where the token goes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_is_followed(vault: Vault, status: int) -> None:
    with Sandbox() as elsewhere:
        vault.box.faults.answer(
            status, EITHER, headers={"Location": f"{elsewhere.vault_url}/v1/secret/data/x"}, times=2
        )

        assert type(await failure(vault.read())) is UnavailableError
        assert type(await failure(vault.write())) is UnavailableError
        assert elsewhere.journal.count() == 0


# --- standbys -----------------------------------------------------------------------------------------------


async def test_a_standby_that_lags_is_given_time_to_show_what_we_wrote(vault: Vault) -> None:
    await vault.write()
    vault.box.faults.answer(404, READ, body={"errors": []}, times=3)

    held = await vault.kv.read(PATH, 2)
    assert held is not None
    assert held.fields == AFTER


async def test_a_standby_that_shows_the_version_before_is_given_time_as_well(vault: Vault) -> None:
    old = await asyncio.to_thread(answer_of, vault.box)
    await vault.write()
    vault.box.faults.answer(200, READ, body=old, times=3)

    held = await vault.kv.read(PATH)
    assert held is not None
    assert held.number == 2


def answer_of(box: Sandbox) -> bytes:
    import urllib.request

    request = urllib.request.Request(f"{box.vault_url}/v1/secret/data/billing/okta", headers={"X-Vault-Token": TOKEN})
    with urllib.request.urlopen(request) as answer:
        body: bytes = answer.read()
    return body


async def test_a_node_behind_the_active_one_shows_what_we_wrote_in_time(vault: Vault) -> None:
    vault.box.vault.settings.read_lag = timedelta(milliseconds=60)

    for cas in range(1, 4):
        await vault.kv.write(PATH, AFTER, cas=cas)
        held, metadata = await vault.kv.read(PATH), await vault.kv.read_metadata(PATH)
        assert held is not None
        assert metadata is not None
        assert (held.number, metadata.current) == (cas + 1, cas + 1)


async def test_a_node_that_says_it_is_behind_is_asked_again(vault: Vault) -> None:
    await vault.write()
    vault.box.vault.settings.stale_refusals = 4
    mark = vault.box.journal.mark()

    held = await vault.kv.read(PATH, 2)

    assert held is not None
    assert [call.status for call in vault.box.journal.calls(READ, since=mark)] == [412, 412, 412, 412, 200]


async def test_a_standby_that_does_not_forward_is_unavailable(vault: Vault) -> None:
    with Sandbox() as active:
        settings = vault.box.vault.settings
        settings.node, settings.redirects_to_leader, settings.leader_url = "standby", True, active.vault_url

        error = await failure(vault.write())

        assert type(error) is UnavailableError
        assert "active node" in error.hint
        assert active.journal.count() == 0


async def test_what_stays_away_was_taken_away(vault: Vault) -> None:
    await vault.write()
    vault.box.vault.kv("secret").keys.clear()

    assert await vault.read_metadata() is None
    mark = vault.box.journal.mark()
    assert await vault.read() is None
    assert vault.box.journal.count(READ, since=mark) == 1  # once is enough to wait for it


# --- mounts and paths ---------------------------------------------------------------------------------------


def mount_says(**data: Any) -> dict[str, Any]:
    return {"data": {"type": "kv", "path": "secret/", "options": {"version": "2"}} | data}


@pytest.mark.parametrize(
    ("mount", "word"),
    [
        pytest.param({"options": {"version": "1"}}, "version 2", id="version 1"),
        pytest.param({"options": None}, "version 2", id="no version"),
        pytest.param({"type": "transit"}, "version 2", id="another engine"),
        pytest.param({"path": "secret/team/"}, "secret/team", id="an engine mounted deeper"),
    ],
)
async def test_what_is_no_kv_2_mount_is_not_written_to(
    vault_box: Sandbox, mount: dict[str, Any], word: str, connect_vault: Connect
) -> None:
    vault = Vault(connect_vault(vault_box.vault_url), vault_box, [])
    vault_box.faults.answer(200, Wanted(path="/v1/sys/internal/ui/mounts/*"), body=mount_says(**mount))

    error = await failure(vault.write())

    assert isinstance(error, RefusedError)
    assert word in f"{error} {error.hint}"
    assert vault_box.journal.count(EITHER) == 0


async def test_nothing_is_left_in_a_version_1_mount(vault_box: Sandbox, connect_vault: Connect) -> None:
    vault_box.vault.add_mount("old", version=1)

    error = await failure(connect_vault(vault_box.vault_url).write(KvPath("old", "a"), AFTER, cas=0))

    assert isinstance(error, RefusedError)
    assert "version 2" in str(error)
    assert vault_box.journal.count(Wanted(path="/v1/old/*")) == 0


async def test_a_mount_is_looked_at_once(vault: Vault) -> None:
    for _ in range(3):
        await vault.read()

    assert vault.box.journal.count(Wanted(path="/v1/sys/internal/ui/mounts/*")) == 1


async def test_a_mount_that_we_may_not_see_is_refused(vault_box: Sandbox, connect_vault: Connect) -> None:
    error = await failure(connect_vault(vault_box.vault_url).read(KvPath("nowhere", "a")))

    assert isinstance(error, RefusedError)
    assert "nowhere" in str(error)


@pytest.mark.parametrize(
    "path",
    [
        KvPath("secret", "../../sys/seal"),
        KvPath("secret", "a/../b"),
        KvPath("secret", "./a"),
        KvPath("secret", ""),
        KvPath("secret", "a//b"),
        KvPath("secret", "a/"),
        KvPath("", "a"),
        KvPath("secret/", "a"),
        KvPath("secret", "a?version=1"),
        KvPath("secret", "a#b"),
        KvPath("secret", "a%2e%2e"),
        KvPath("secret", "a b"),
        KvPath("secret", "a\n"),
        KvPath("secret", "ü"),
    ],
)
async def test_a_path_that_a_url_would_twist_is_not_asked_for(vault: Vault, path: KvPath) -> None:
    mark = vault.box.journal.mark()
    for call in (vault.kv.read(path), vault.kv.read_metadata(path), vault.kv.write(path, AFTER, cas=0)):
        assert isinstance(await failure(call), RefusedError)
    assert isinstance(await failure(vault.kv.destroy(path, [1])), RefusedError)

    assert vault.box.journal.count(since=mark) == 0


# --- warnings -----------------------------------------------------------------------------------------------


async def test_a_version_that_will_delete_itself_is_warned_of(vault: Vault) -> None:
    vault.box.vault.kv("secret").config.delete_after = timedelta(hours=1)

    assert await vault.write() == 2

    (warning,) = vault.warnings
    assert "version 2 deletes itself at" in warning
    assert "delete_version_after" in warning


async def test_what_vault_warns_of_is_passed_on(vault: Vault) -> None:
    data = {"version": 2, "created_time": "2026-01-02T03:04:05Z", "deletion_time": "", "destroyed": False}
    vault.box.faults.answer(200, WRITE, body={"data": data, "warnings": ["old\nnews"]})

    await vault.write()

    assert vault.warnings == [f"vault {vault.box.vault_url.removeprefix('http://')}: write {PATH}: old news"]


async def test_an_ordinary_write_warns_of_nothing(vault: Vault) -> None:
    await vault.write()

    assert vault.warnings == []


async def test_times_in_whole_seconds_are_read_too(vault: Vault) -> None:
    metadata = {"created_time": "2026-01-02T03:04:05Z", "deletion_time": "", "destroyed": False, "version": 1}
    vault.box.faults.answer(200, READ, body={"data": {"data": {"a": 1}, "metadata": metadata}})

    held = await vault.kv.read(PATH)
    assert held is not None
    assert held.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


# --- headers --------------------------------------------------------------------------------------------------


class Recorder(BaseHTTPRequestHandler):
    """A Vault that answers every read with the same version, and keeps the headers that it was sent."""

    protocol_version = "HTTP/1.1"
    seen: ClassVar[list[dict[str, str]]] = []

    def do_GET(self) -> None:
        self.seen.append({name.lower(): value for name, value in self.headers.items()})
        metadata = {"created_time": "2026-01-02T03:04:05Z", "deletion_time": "", "destroyed": False, "version": 1}
        body = json.dumps(mount_says(data={"a": 1}, metadata=metadata)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Vault-Index", f"state-{len(self.seen)}")
        self.send_header("Set-Cookie", "stick=here; Path=/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing on stderr."""


@pytest.fixture
def recorder() -> Iterator[tuple[str, list[dict[str, str]]]]:
    Recorder.seen.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", Recorder.seen
        server.shutdown()
        thread.join()


async def test_what_a_request_says_of_us(recorder: tuple[str, list[dict[str, str]]], connect_vault: Connect) -> None:
    address, seen = recorder
    kv = connect_vault(address, namespace="team/a")
    await kv.read(PATH)
    await kv.aclose()

    last = seen[-1]
    assert last["user-agent"] == f"rotator/{__version__}"
    assert last["x-vault-token"] == TOKEN
    assert last["x-vault-namespace"] == "team/a"
    assert last["x-vault-request"] == "true"
    assert not {"authorization", "cookie"} & last.keys()


async def test_a_node_is_told_which_state_we_have_seen(
    recorder: tuple[str, list[dict[str, str]]], connect_vault: Connect
) -> None:
    address, seen = recorder
    kv = connect_vault(address)
    await kv.read(PATH)
    await kv.read(PATH)
    await kv.aclose()

    assert [headers.get("x-vault-index") for headers in seen] == [None, "state-1", "state-2", "state-3"]
