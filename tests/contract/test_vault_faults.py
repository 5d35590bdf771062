"""What the Vault adapter makes of every failure: which of our errors, what was applied, and that nothing leaks.

Over real HTTP against the sandbox, whose faults strike before or after a call was applied.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.errors import (
    RateLimitedError,
    RefusedError,
    RotatorError,
    SealedError,
    UnavailableError,
    UnknownOutcomeError,
)
from rotator.sandbox.journal import Wanted
from tests.contract.vault_bench import (
    AFTER,
    EITHER,
    PATH,
    READ,
    TOKEN,
    VALUES,
    WRITE,
    Connect,
    Vault,
    failure,
    leaks,
    vault_says,
)
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from rotator.sandbox.world import Sandbox

pytestmark = pytest.mark.usefixtures("no_leak_into_the_log")


# --- answers that are no success ----------------------------------------------------------------------------


UPGRADING = (
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will"
    " resume service shortly."
)
ACL = "1 error occurred:\n\t* permission denied\n\n"
STANDBY = "local node not active but active cluster node not found"
HTML = b"<html><body><h1>Access to this site is blocked</h1></body></html>"
PAGE = {"Content-Type": "text/html"}

TIMES = {"created_time": "2026-01-02T03:04:05Z", "deletion_time": "", "destroyed": False}
VERSION = {"metadata": {"version": 2} | TIMES, "version": 2, "current_version": 2, "versions": {}} | TIMES
SETTINGS = {"max_versions": 0, "cas_required": False, "delete_version_after": "0s"}
TOO_LONG = {"data": VERSION | SETTINGS | {"data": {"a": "x" * 9_000_000}}}

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
    pytest.param(200, TOO_LONG, UnavailableError, UnknownOutcomeError, id="a body that is too long for any secret"),
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
    assert attempts == (5 if status == 412 else 1)  # what a 412 answers was not processed: it may be repeated


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
    vault_box: Sandbox, when: Any, version: int, connect_vault: Connect
) -> None:
    vault = Vault(connect_vault(vault_box.vault_url, answer_within=timedelta(milliseconds=300)), vault_box, [])
    await vault.read_metadata()
    hold = vault_box.faults.hold(WRITE, when=when)

    assert type(await failure(vault.write())) is UnknownOutcomeError
    assert vault.version == version
    hold.drop()


async def test_a_dripping_answer_ends_in_time_and_frees_its_thread(vault_box: Sandbox, connect_vault: Connect) -> None:
    vault = Vault(connect_vault(vault_box.vault_url, answer_within=timedelta(milliseconds=400)), vault_box, [])
    await vault.read_metadata()
    vault_box.faults.garble(READ, pace=0.05, times=None)
    began = time.monotonic()
    errors = await asyncio.gather(*(failure(vault.read()) for _ in range(12)))
    assert {type(error) for error in errors} == {UnavailableError}
    assert time.monotonic() - began < 10

    vault_box.faults.clear()
    assert await vault.read() is not None


async def test_a_cancelled_call_frees_its_thread_at_once(vault_box: Sandbox, connect_vault: Connect) -> None:
    vault = Vault(connect_vault(vault_box.vault_url, answer_within=timedelta(seconds=60)), vault_box, [])
    await vault.read_metadata()
    hold = vault_box.faults.hold(READ, when="before")
    reading = asyncio.create_task(vault.read())
    await asyncio.to_thread(hold.wait)

    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading

    began = time.monotonic()
    await asyncio.get_running_loop().shutdown_default_executor()
    assert time.monotonic() - began < 10
    hold.drop()


@pytest.mark.parametrize("call", ["read", "write"])
async def test_a_refused_connection_changed_nothing(vault_box: Sandbox, call: str, connect_vault: Connect) -> None:
    vault = Vault(connect_vault(vault_box.vault_url), vault_box, [])
    await vault.read_metadata()
    vault_box.stop()

    error = await failure(getattr(vault, call)())

    assert type(error) is UnavailableError
    assert "refused" in str(error)


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
