"""The Notifier and Heart ports over real HTTP on loopback: a signed webhook, Apprise, a heartbeat."""

from __future__ import annotations

import hashlib
import hmac
import importlib.util
import logging
import sys
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.apprise_notifier import AppriseNotifier
from rotator.adapters.web_notifier import WebHeart, WebNotifier
from rotator.adapters.webhook import Way
from rotator.core.notice_text import trial
from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError, RefusedError, RotatorError, UnavailableError
from tests.fakes.okta import NOON, ManualClock
from tests.receiver import receiving

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.ports import Notifier

TOKEN = "t0kEn-Of-tHe-sErViCe-9Zx4"
SECRET = "wEbHoOk-sEcReT-7Yq2-kL9m"
MESSAGE = trial("ops", NOON)
SHORT = timedelta(seconds=0.3)


def webhook(url: str, within: timedelta = timedelta(seconds=5)) -> WebNotifier:
    address, secret = SecretValue(f"{url}/{TOKEN}"), SecretValue(SECRET)
    return WebNotifier("hook", lambda: address, lambda: secret, way=Way(timeout=within), clock=ManualClock())


def apprise(url: str, within: timedelta = timedelta(seconds=20)) -> AppriseNotifier:
    address = url.replace("http://", "json://")
    return AppriseNotifier("ops", lambda: SecretValue(f"{address}/{TOKEN}"), within=within)


async def refused(notifier: Notifier) -> RotatorError:
    with pytest.raises(RotatorError) as caught:
        await notifier.send(MESSAGE)
    return caught.value


# --- The webhook ------------------------------------------------------------------------------------------------


async def test_a_webhook_posts_json_that_is_signed() -> None:
    with receiving() as receiver:
        await webhook(receiver.url).send(MESSAGE)

    (got,) = receiver.got
    assert (got.method, got.path, got.json()) == ("POST", f"/{TOKEN}", MESSAGE.document)
    assert got.headers["content-type"] == "application/json"
    assert got.headers["idempotency-key"] == MESSAGE.id
    assert got.headers["rotator-timestamp"] == str(int(NOON.timestamp()))
    signed = got.headers["rotator-timestamp"].encode() + b"." + got.body
    right = hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()
    assert got.headers["rotator-signature"] == f"v1={right}"


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, RefusedError, "message"),
        (401, RefusedError, "401"),
        (404, RefusedError, "404"),
        (413, RefusedError, "message"),
        (429, UnavailableError, None),
        (500, UnavailableError, None),
        (503, UnavailableError, None),
    ],
)
async def test_what_a_receiver_answers_is_sorted(status: int, kind: type[RotatorError], code: str | None) -> None:
    with receiving(status) as receiver:
        error = await refused(webhook(receiver.url))

    assert type(error) is kind
    assert getattr(error, "code", None) == code
    assert str(status) in str(error)
    assert error.hint
    assert len(receiver.got) == 1  # the box tries again, nobody else


async def test_a_redirect_is_not_followed() -> None:
    with receiving() as other, receiving(302, location=f"{other.url}/elsewhere") as receiver:
        error = await refused(webhook(receiver.url))

    assert isinstance(error, RefusedError)
    assert other.got == []


async def test_who_is_not_there_may_be_later() -> None:
    with receiving() as receiver:
        url = receiver.url

    assert isinstance(await refused(webhook(url)), UnavailableError)


async def test_who_does_not_answer_is_not_waited_for() -> None:
    with receiving() as receiver:
        receiver.deaf.set()
        began = time.monotonic()
        error = await refused(webhook(receiver.url, SHORT))

    assert isinstance(error, UnavailableError)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(
    "url", ["http://receiver.example.com/x", "ftp://127.0.0.1/x", "https://user:pw@127.0.0.1/x", "nothing", "https://"]
)
async def test_nothing_is_sent_in_clear_or_to_what_is_no_address(url: str) -> None:
    error = await refused(webhook(url))

    assert isinstance(error, RefusedError)
    assert TOKEN not in str(error)


# --- Apprise ----------------------------------------------------------------------------------------------------


async def test_apprise_hands_the_message_over() -> None:
    with receiving() as receiver:
        await apprise(receiver.url).send(MESSAGE)

    (got,) = receiver.got
    assert got.path == f"/{TOKEN}"
    assert got.json().items() >= {"title": "rotator: test", "message": MESSAGE.body, "type": "info"}.items()


@pytest.mark.parametrize(("status", "kind"), [(401, RefusedError), (429, UnavailableError), (500, UnavailableError)])
async def test_what_a_service_answers_is_sorted(status: int, kind: type[RotatorError]) -> None:
    with receiving(status) as receiver:
        error = await refused(apprise(receiver.url))

    assert type(error) is kind
    assert str(status) in str(error)


async def test_a_service_that_is_away_may_be_back_later() -> None:
    with receiving() as receiver:
        url = receiver.url

    error = await refused(apprise(url))

    assert isinstance(error, UnavailableError)
    assert str(error) == "channel ops: the service cannot be reached"


@pytest.mark.parametrize("url", ["nothing", "unheard-of://x", "json://127.0.0.1:1, json://127.0.0.1:2"])
async def test_a_url_that_is_no_service_is_refused(url: str) -> None:
    notifier = AppriseNotifier("ops", lambda: SecretValue(url), within=timedelta(seconds=20))

    assert isinstance(await refused(notifier), RotatorError)


async def test_a_service_that_hangs_is_cut_off() -> None:
    with receiving() as receiver:
        receiver.deaf.set()
        began = time.monotonic()
        error = await refused(apprise(receiver.url, timedelta(seconds=2)))

    assert isinstance(error, UnavailableError)
    assert time.monotonic() - began < 3.5


async def test_our_environment_has_no_say_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with receiving() as receiver:
        await apprise(receiver.url).send(MESSAGE)

    assert len(receiver.got) == 1


async def test_a_channel_has_a_proxy_of_its_own() -> None:
    with receiving() as proxy:
        notifier = AppriseNotifier(
            "ops", lambda: SecretValue("json://notices.invalid/x"), within=timedelta(seconds=20), proxy=proxy.url
        )
        await notifier.send(MESSAGE)

    assert [each.path for each in proxy.got] == ["http://notices.invalid/x"]


def test_where_apprise_is_missing_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(ConfigError, match=r"notify\.channels\.ops: .*pip install 'rotator\[notify\]'"):
        apprise("json://127.0.0.1")


async def test_apprise_is_not_loaded_into_this_process() -> None:
    assert importlib.util.find_spec("apprise")
    with receiving() as receiver:
        await apprise(receiver.url).send(MESSAGE)

    assert not [name for name in sys.modules if name.partition(".")[0] == "apprise"]


# --- The heartbeat ----------------------------------------------------------------------------------------------


async def test_a_heartbeat_is_a_get() -> None:
    with receiving() as receiver:
        await WebHeart(lambda: SecretValue(f"{receiver.url}/{TOKEN}"), Way()).beat()

    (got,) = receiver.got
    assert (got.method, got.path, got.body) == ("GET", f"/{TOKEN}", b"")


# --- Nothing of an address --------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [webhook, apprise])
@pytest.mark.parametrize("status", [200, 302, 400, 404, 500])
async def test_neither_address_nor_secret_get_out(
    make: Callable[[str], Notifier], status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    said = ""
    with caplog.at_level(logging.WARNING), receiving(status) as receiver:  # as `rotator.logs` has libraries log
        try:
            await make(receiver.url).send(MESSAGE)
        except RotatorError as error:
            said = f"{error} {error.hint} {error!r} {error.__cause__!r} {error.__context__!r}"
    out = capfd.readouterr()
    everything = "\n".join([said, out.out, out.err, caplog.text])

    assert receiver.got
    assert TOKEN not in everything
    assert SECRET not in everything
    assert str(receiver.port) not in everything
