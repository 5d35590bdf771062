"""What the Vault adapter makes of every failure: which of our errors, what was applied, and that nothing leaks.

Over real HTTP against the sandbox, whose faults strike before or after a call was applied.
"""

from __future__ import annotations

import asyncio
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.vault_connection import TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import (
    ConfigError,
    RateLimitedError,
    RefusedError,
    RotatorError,
    SealedError,
    UnavailableError,
    UnknownOutcomeError,
)
from rotator.sandbox.journal import Wanted
from rotator.sandbox.vault import VaultSettings
from rotator.sandbox.world import Sandbox
from tests.fakes.okta import NOON, ManualClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator

PATH = KvPath("secret", "billing/okta")
TOKEN = "cnry-the-token-of-these-tests"
FILL = "0aA1bB2cC3dD4eE5fF6gG7hH8iI9jJ0kK1lL2mM3nN4oO5pP"
VALUES = (f"cnry_value_before{FILL}", f"cnry_value_after{FILL}")
CANARIES = (TOKEN, *VALUES, "cnry_other_field")
BEFORE = SecretFields({"client_secret": VALUES[0], "note": "cnry_other_field"})
AFTER = SecretFields({"client_secret": VALUES[1], "note": "cnry_other_field"})

READ = Wanted(method="GET", path="/v1/secret/*")
WRITE = Wanted(method="POST", path="/v1/secret/data/*")
EITHER = Wanted(path="/v1/secret/*")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(vault=VaultSettings(root_token=TOKEN)) as box:
        box.vault.put(PATH.mount, PATH.path, BEFORE.reveal())
        yield box


@dataclass(frozen=True, slots=True)
class Vault:
    """The adapter, the sandbox behind it, and what it warned of."""

    kv: VaultKv
    box: Sandbox
    warnings: list[str]

    async def read(self) -> object:
        return await self.kv.read(PATH)

    async def read_metadata(self) -> object:
        return await self.kv.read_metadata(PATH)

    async def write(self) -> int:
        return await self.kv.write(PATH, AFTER, cas=1)

    async def destroy(self) -> None:
        await self.kv.destroy(PATH, [1])

    @property
    def version(self) -> int:
        key = self.box.vault.key(PATH.mount, PATH.path)
        assert key is not None
        return key.current


def adapter(address: str, warn: Callable[[str], None] = lambda _: None, **settings: Any) -> VaultKv:
    given: dict[str, Any] = {"auth": TokenAuth(lambda: SecretValue(TOKEN)), "answer_within": timedelta(seconds=2)}
    lag, pause = timedelta(milliseconds=200), timedelta(milliseconds=5)
    connection = VaultConnection(address, **(given | settings))
    return VaultKv(connection, ManualClock(), warn=warn, standby_lag=lag, first_pause=pause)


Connect = Callable[..., VaultKv]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters, and closes them in the end."""
    made: list[VaultKv] = []

    def make(address: str, **settings: Any) -> VaultKv:
        made.append(adapter(address, **settings))
        return made[-1]

    yield make
    for kv in made:
        await kv.aclose()


@pytest.fixture
async def vault(box: Sandbox, connect: Connect) -> Vault:
    warnings: list[str] = []
    vault = Vault(connect(box.vault_url, warn=warnings.append), box, warnings)
    await vault.read_metadata()  # logged in, mount known: what follows meets the call itself
    return vault


@pytest.fixture(autouse=True)
def _nothing_leaks_into_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
        logged = "\n".join(f"{record.name} {record.getMessage()} {record.exc_info}" for record in caplog.records)
    assert not leaks(logged)


def leaks(text: str) -> list[str]:
    return [canary for canary in CANARIES if canary in text]


async def failure(call: Awaitable[object]) -> RotatorError:
    """Return the error that the call ends with, fit to be shown: one line, a hint, no secret in any of its causes."""
    with pytest.raises(RotatorError) as caught:
        await call
    error = caught.value
    text = str(error)
    assert text.isprintable(), repr(text)
    assert len(text) < 600
    assert error.hint
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.hint
    assert not leaks(shown)
    return error


# --- answers that are no success ----------------------------------------------------------------------------


def vault_says(*errors: str) -> dict[str, Any]:
    return {"errors": list(errors)}


UPGRADING = (
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will"
    " resume service shortly."
)
ACL = "1 error occurred:\n\t* permission denied\n\n"
STANDBY = "local node not active but active cluster node not found"
HTML = b"<html><body><h1>Access to this site is blocked</h1></body></html>"
PAGE = {"Content-Type": "text/html"}

ANSWERS = [
    pytest.param(400, vault_says(UPGRADING), UnavailableError, UnavailableError, id="the mount is being upgraded"),
    pytest.param(400, vault_says("no data provided"), RefusedError, RefusedError, id="a bad request"),
    pytest.param(400, vault_says(), RefusedError, RefusedError, id="a bad request without a word"),
    pytest.param(
        400,
        vault_says("path disabled in replication DR secondary mode"),
        UnavailableError,
        UnavailableError,
        id="a node that takes part in disaster recovery only",
    ),
    pytest.param(403, vault_says(ACL), RefusedError, RefusedError, id="the policy"),
    pytest.param(403, HTML, UnavailableError, UnknownOutcomeError, id="a firewall's 403"),
    pytest.param(
        404,
        vault_says('no handler for route "secret/data/x". route entry not found.'),
        RefusedError,
        RefusedError,
        id="no such mount",
    ),
    pytest.param(404, vault_says("namespace not found"), RefusedError, RefusedError, id="no such namespace"),
    pytest.param(404, HTML, UnavailableError, UnknownOutcomeError, id="a proxy's 404"),
    pytest.param(404, b"", UnavailableError, UnknownOutcomeError, id="an empty 404"),
    pytest.param(
        404, {"message": "no such route"}, UnavailableError, UnknownOutcomeError, id="a gateway's 404 in JSON"
    ),
    pytest.param(
        405, vault_says("1 error occurred:\n\t* unsupported operation\n\n"), RefusedError, RefusedError, id="405"
    ),
    pytest.param(408, HTML, UnavailableError, UnknownOutcomeError, id="a proxy tired of waiting"),
    pytest.param(412, vault_says("required index state not present"), UnavailableError, UnavailableError, id="412"),
    pytest.param(413, vault_says("http: request body too large"), RefusedError, RefusedError, id="too large"),
    pytest.param(429, vault_says("rate limit quota exceeded"), RateLimitedError, RateLimitedError, id="a quota"),
    pytest.param(429, HTML, RateLimitedError, RateLimitedError, id="a proxy's quota"),
    pytest.param(472, vault_says("is a DR secondary"), UnavailableError, UnavailableError, id="472"),
    pytest.param(
        500, vault_says("1 error occurred:\n\t* storage\n\n"), UnavailableError, UnknownOutcomeError, id="500"
    ),
    pytest.param(500, vault_says(STANDBY), SealedError, SealedError, id="no active node"),
    pytest.param(501, vault_says("not initialized"), SealedError, SealedError, id="not initialised"),
    pytest.param(502, HTML, UnavailableError, UnknownOutcomeError, id="a proxy that lost its Vault"),
    pytest.param(503, vault_says("Vault is sealed"), SealedError, SealedError, id="sealed"),
    pytest.param(503, vault_says("namespace is sealed"), SealedError, SealedError, id="a sealed namespace"),
    pytest.param(503, vault_says("maintenance"), UnavailableError, UnknownOutcomeError, id="503 in Vault's shape"),
    pytest.param(503, HTML, UnavailableError, UnknownOutcomeError, id="a load balancer's 503"),
    pytest.param(504, HTML, UnavailableError, UnknownOutcomeError, id="a load balancer's 504"),
    pytest.param(302, HTML, UnavailableError, UnavailableError, id="a redirect to a page"),
    pytest.param(200, HTML, UnavailableError, UnknownOutcomeError, id="a captive portal"),
    pytest.param(200, b"", UnavailableError, UnknownOutcomeError, id="an empty 200"),
    pytest.param(200, b"[]", UnavailableError, UnknownOutcomeError, id="JSON, but no object"),
    pytest.param(200, b"[" * 100_000, UnavailableError, UnknownOutcomeError, id="JSON without bottom"),
    pytest.param(200, {}, UnavailableError, UnknownOutcomeError, id="an object with nothing in it"),
    pytest.param(200, {"data": None}, UnavailableError, UnknownOutcomeError, id="no data"),
    pytest.param(200, {"data": []}, UnavailableError, UnknownOutcomeError, id="data of another kind"),
    pytest.param(
        200,
        {"data": {"data": {}, "metadata": {"version": "1"}, "version": None}},
        UnavailableError,
        UnknownOutcomeError,
        id="a version that is no number",
    ),
    pytest.param(204, b"", UnavailableError, UnknownOutcomeError, id="a 204 where there is something to tell"),
    pytest.param(200, b'{"data":"' + b"x" * 9_000_000, UnavailableError, UnknownOutcomeError, id="a body without end"),
]


@pytest.mark.parametrize(("status", "body", "_read", "written"), ANSWERS)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_write_answered_by(
    vault: Vault, status: int, body: Any, _read: type, written: type[RotatorError], when: Any
) -> None:
    vault.box.faults.answer(status, WRITE, body=body, headers=head(body), when=when, times=None)
    mark = vault.box.journal.mark()

    error = await failure(vault.write())

    assert type(error) is written
    assert str(PATH) in str(error)
    assert "HTML" not in str(error)
    attempts = vault.box.journal.count(WRITE, since=mark)
    assert attempts == (4 if status == 412 else 1)  # what a 412 answers was not processed: it may be repeated


@pytest.mark.parametrize(("status", "body", "read", "_written"), ANSWERS)
async def test_a_read_answered_by(
    vault: Vault, status: int, body: Any, read: type[RotatorError], _written: type
) -> None:
    vault.box.faults.answer(status, READ, body=body, headers=head(body), times=None)

    assert type(await failure(vault.read())) is read
    assert type(await failure(vault.read_metadata())) is read


def head(body: Any) -> dict[str, str]:
    return PAGE if isinstance(body, bytes) and body.startswith(b"<") else {}


@pytest.mark.parametrize("call", ["read", "read_metadata", "write", "destroy"])
async def test_a_policy_that_says_no_is_told_which_permission_is_missing(vault: Vault, call: str) -> None:
    vault.box.faults.answer(403, EITHER, body=vault_says(ACL))

    error = await failure(getattr(vault, call)())

    assert isinstance(error, RefusedError)
    assert error.code == "403"
    wanted = {
        "read": "`read` on `secret/data/billing/okta`",
        "read_metadata": "`read` on `secret/metadata/billing/okta`",
        "write": "`create` and `update` on `secret/data/billing/okta`",
        "destroy": "`update` on `secret/destroy/billing/okta`",
    }
    assert wanted[call] in error.hint


async def test_a_missing_mount_is_named_as_such(vault: Vault) -> None:
    vault.box.faults.answer(404, READ, body=vault_says('no handler for route "secret/data/x". route entry not found.'))

    assert "mount" in (await failure(vault.read())).hint


async def test_a_content_type_with_a_charset_changes_nothing(vault: Vault) -> None:
    vault.box.vault.settings.content_type = "application/json; charset=utf-8"
    vault.box.vault.seal()

    assert type(await failure(vault.write())) is SealedError


# --- repeating ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [412, 429, 502, 503])
async def test_a_read_is_repeated_where_that_may_help(vault: Vault, status: int) -> None:
    vault.box.faults.answer(status, READ, body=vault_says("for a moment"), times=2)

    assert await vault.read() is not None


async def test_a_read_is_repeated_when_the_connection_breaks(vault: Vault) -> None:
    vault.box.faults.drop(READ, when="after", times=2)

    assert await vault.read() is not None


async def test_a_read_is_repeated_when_the_answer_breaks_off(vault: Vault) -> None:
    vault.box.faults.garble(READ, keep=40, times=2)

    assert await vault.read() is not None


async def test_a_write_is_repeated_after_a_412_and_applies_once(vault: Vault) -> None:
    vault.box.faults.answer(412, WRITE, body=vault_says("required index state not present"), times=2)

    assert await vault.write() == 2
    assert vault.version == 2


async def test_a_long_wait_is_left_to_the_caller(vault: Vault) -> None:
    vault.box.faults.answer(429, READ, body=vault_says("quota"), headers={"Retry-After": "30"}, times=None)
    mark = vault.box.journal.mark()

    error = await failure(vault.read())

    assert isinstance(error, RateLimitedError)
    assert error.retry_at == NOON + timedelta(seconds=30)
    assert vault.box.journal.count(READ, since=mark) == 1


@pytest.mark.parametrize("wait", ["-1", "soon", "9" * 400, "", "1.5"])
async def test_a_wait_that_cannot_be_read_is_none(vault: Vault, wait: str) -> None:
    vault.box.faults.answer(429, WRITE, body=vault_says("quota"), headers={"Retry-After": wait})

    error = await failure(vault.write())

    assert isinstance(error, RateLimitedError)
    assert error.retry_at is None


@pytest.mark.parametrize("wait", ["-1", "soon", "9" * 400, "", "1.5"])
async def test_a_read_survives_a_wait_that_cannot_be_read(vault: Vault, wait: str) -> None:
    vault.box.faults.answer(429, READ, body=vault_says("quota"), headers={"Retry-After": wait}, times=None)

    assert type(await failure(vault.read())) is RateLimitedError


# --- no answer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("when", "version"), [("before", 1), ("after", 2)])
async def test_a_write_whose_connection_breaks_is_unknown_whatever_became_of_it(
    vault: Vault, when: Any, version: int
) -> None:
    vault.box.faults.drop(WRITE, when=when)
    mark = vault.box.journal.mark()

    assert type(await failure(vault.write())) is UnknownOutcomeError
    assert vault.version == version
    assert vault.box.journal.count(WRITE, since=mark) == 1


@pytest.mark.parametrize("keep", [0, 1, 40])
async def test_a_write_whose_answer_breaks_off_is_unknown(vault: Vault, keep: int) -> None:
    vault.box.faults.garble(WRITE, keep=keep)

    assert type(await failure(vault.write())) is UnknownOutcomeError


async def test_a_destruction_whose_connection_breaks_is_unknown_and_may_be_repeated(vault: Vault) -> None:
    vault.box.faults.drop(Wanted(path="/v1/secret/destroy/*"), when="after")

    assert type(await failure(vault.destroy())) is UnknownOutcomeError
    await vault.destroy()


@pytest.mark.parametrize(("when", "version"), [("before", 1), ("after", 2)])
async def test_a_write_that_is_not_answered_in_time_is_unknown(
    box: Sandbox, when: Any, version: int, connect: Connect
) -> None:
    vault = Vault(connect(box.vault_url, answer_within=timedelta(milliseconds=300)), box, [])
    await vault.read_metadata()
    hold = box.faults.hold(WRITE, when=when)

    assert type(await failure(vault.write())) is UnknownOutcomeError
    assert vault.version == version
    hold.drop()


async def test_a_dripping_answer_ends_in_time_and_frees_its_thread(box: Sandbox, connect: Connect) -> None:
    vault = Vault(connect(box.vault_url, answer_within=timedelta(milliseconds=400)), box, [])
    await vault.read_metadata()
    box.faults.garble(READ, pace=0.05, times=None)
    began = time.monotonic()
    errors = await asyncio.gather(*(failure(vault.read()) for _ in range(12)))
    assert {type(error) for error in errors} == {UnavailableError}
    assert time.monotonic() - began < 2

    box.faults.clear()
    assert await vault.read() is not None


async def test_a_cancelled_call_frees_its_thread_at_once(box: Sandbox, connect: Connect) -> None:
    vault = Vault(connect(box.vault_url, answer_within=timedelta(seconds=60)), box, [])
    await vault.read_metadata()
    hold = box.faults.hold(READ, when="before")
    reading = asyncio.create_task(vault.read())
    await asyncio.to_thread(hold.wait)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    began = time.monotonic()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert time.monotonic() - began < 2
    hold.drop()


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_refused_connection_changed_nothing(box: Sandbox, call: str, connect: Connect) -> None:
    vault = Vault(connect(box.vault_url), box, [])
    await vault.read_metadata()
    box.stop()

    error = await failure(getattr(vault, call)())

    assert type(error) is UnavailableError
    assert "refused" in str(error)


async def test_an_unknown_name_is_said_to_be_one(connect: Connect) -> None:
    error = await failure(connect("https://vault.invalid").read(PATH))

    assert type(error) is UnavailableError
    assert "address" in error.hint


async def test_a_proxy_that_is_not_there_is_said_to_be_one(connect: Connect) -> None:
    error = await failure(connect("https://vault.invalid", proxy="http://user:cnry_other_field@127.0.0.1:1").read(PATH))

    assert type(error) is UnavailableError
    assert "proxy" in error.hint


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


# --- what errors may say ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [400, 403, 404, 405, 412, 429, 500, 503])
async def test_an_error_that_repeats_our_request_does_not_get_through(vault: Vault, status: int) -> None:
    echo = f"you sent {TOKEN} and {AFTER.reveal()} \x1b[31m\u202e\r\nand more"
    vault.box.faults.answer(status, WRITE, body=vault_says(echo), times=None)

    assert "you sent [hidden] and" in str(await failure(vault.write()))


@pytest.mark.parametrize("status", [400, 403, 404, 405, 412, 429, 500, 503])
async def test_an_error_that_tells_what_is_stored_does_not_get_through(vault: Vault, status: int) -> None:
    vault.box.faults.answer(status, READ, body=vault_says(f"cannot decode {VALUES[0]!r}"), times=None)

    assert "cannot decode" in str(await failure(vault.read()))


def test_the_search_for_leaks_finds_one() -> None:
    assert leaks(f"GET / {TOKEN}") == [TOKEN]


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


async def test_what_stays_away_was_taken_away(vault: Vault) -> None:
    await vault.write()
    vault.box.vault.kv("secret").keys.clear()

    assert await vault.read_metadata() is None
    assert await vault.read() is None


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
    box: Sandbox, mount: dict[str, Any], word: str, connect: Connect
) -> None:
    vault = Vault(connect(box.vault_url), box, [])
    box.faults.answer(200, Wanted(path="/v1/sys/internal/ui/mounts/*"), body=mount_says(**mount))

    error = await failure(vault.write())

    assert isinstance(error, RefusedError)
    assert word in f"{error} {error.hint}"
    assert box.journal.count(EITHER) == 0


async def test_a_mount_is_looked_at_once(vault: Vault) -> None:
    for _ in range(3):
        await vault.read()

    assert vault.box.journal.count(Wanted(path="/v1/sys/internal/ui/mounts/*")) == 1


async def test_a_mount_that_we_may_not_see_is_refused(box: Sandbox, connect: Connect) -> None:
    error = await failure(connect(box.vault_url).read(KvPath("nowhere", "a")))

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


# --- connections --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example.com:8200",
        "http://192.0.2.1",
        "ftp://vault.example.com",
        "vault.example.com:8200",
        "https://",
        "https://user:cnry_other_field@vault.example.com",
        "https://vault.example.com?x=1",
        "https://vault.example.com/#x",
        "https://vault.example.com:port",
        "https://vault.example.com/../x",
        "",
    ],
)
def test_an_address_that_would_send_secrets_astray_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        adapter(address)

    assert not leaks(str(caught.value))


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8200", "http://127.0.0.1:8200", "http://[::1]:8200", "https://vault.example.com/prefix/"],
)
def test_an_address_that_is_safe_is_taken(address: str) -> None:
    assert VaultConnection(address, TokenAuth(lambda: SecretValue(TOKEN))).address == address.rstrip("/")


def test_a_connection_shows_no_secret() -> None:
    connection = VaultConnection(
        "https://vault.example.com", TokenAuth(lambda: SecretValue(TOKEN)), proxy="http://u:cnry_other_field@proxy"
    )

    assert not leaks(repr(connection))


async def test_times_in_whole_seconds_are_read_too(vault: Vault) -> None:
    metadata = {"created_time": "2026-01-02T03:04:05Z", "deletion_time": "", "destroyed": False, "version": 1}
    vault.box.faults.answer(200, READ, body={"data": {"data": {"a": 1}, "metadata": metadata}})

    held = await vault.kv.read(PATH)
    assert held is not None
    assert held.created == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
