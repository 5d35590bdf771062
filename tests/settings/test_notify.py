"""Whom to tell, and who misses us: what the sections mean, and what is wrong with them."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.core.notices import Kind
from rotator.errors import ConfigError
from tests.settings.files import CANARY, GOOD, loaded

if TYPE_CHECKING:
    from pathlib import Path

HOOK = "kind: webhook, url: 'https://in.example.com/x?token=a', secret_file: hook-secret"
OPS = "kind: apprise, url_file: pager-url"
LINE = 18  # of the only channel


def telling(channel: str, more: str = "") -> str:
    return GOOD + f"notify:\n  channels:\n    ops: {{{channel}}}\n{more}"


def test_nobody_is_told_unless_that_is_wanted(tmp_path: Path) -> None:
    settings = loaded(tmp_path)

    assert (settings.notify, settings.heartbeat) == (None, None)


def test_a_channel_by_apprise(tmp_path: Path) -> None:
    more = ", events: [blocked, recovered], targets: ['svc-*'], policies: [prod], at_most: 5"
    notify = loaded(tmp_path, telling(OPS + more, "  upcoming: 7d\n  late_after: 2d\n  repeat_after: 12h\n")).notify

    assert notify
    (ops,) = notify.channels
    assert (ops.name, ops.kind, ops.secret, ops.at_most) == ("ops", "apprise", None, 5)
    assert ops.url.read().reveal() == f"pager-url-{CANARY}"
    assert ops.route.events == {Kind.BLOCKED, Kind.RECOVERED}
    assert ops.route.targets == ("svc-*",)
    assert ops.route.policies == {"prod"}
    assert notify.rules.repeat_after == timedelta(hours=12)
    assert (notify.deadlines.upcoming, notify.deadlines.late_after) == (timedelta(days=7), timedelta(days=2))


def test_a_webhook_and_its_defaults(tmp_path: Path) -> None:
    notify = loaded(tmp_path, telling(HOOK)).notify

    assert notify
    (hook,) = notify.channels
    assert hook.url.read().reveal() == "https://in.example.com/x?token=a"
    assert hook.secret
    assert hook.secret.read().reveal() == f"hook-secret-{CANARY}"
    assert hook.route.events == frozenset(Kind)
    assert (hook.at_most, hook.answer_within) == (20, timedelta(seconds=10))
    assert (notify.repeat_after, notify.deadlines.upcoming) == (timedelta(days=1), None)


def test_a_heartbeat(tmp_path: Path) -> None:
    heartbeat = loaded(tmp_path, GOOD + "heartbeat: {url_file: heartbeat-url, every: 5m}\n").heartbeat

    assert heartbeat
    assert heartbeat.url.read().reveal() == f"heartbeat-url-{CANARY}"
    assert heartbeat.every == timedelta(minutes=5)


def test_neither_addresses_nor_secrets_are_shown(tmp_path: Path) -> None:
    text = telling(HOOK, "heartbeat: {url_file: heartbeat-url}\n")

    shown = {each.key: each.value for each in loaded(tmp_path, text).shown}

    assert shown["notify.channels.ops.url"] == "(set)"
    assert shown["notify.channels.ops.secret_file"] == "hook-secret"
    assert "in.example.com" not in str(shown)


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"ROTATOR_NOTIFY__CHANNELS__OPS__URL": "json://127.0.0.1/env-given"}, "json://127.0.0.1/env-given"),
        ({"ROTATOR_NOTIFY__CHANNELS__OPS__URL_FILE": "chat-url"}, f"chat-url-{CANARY}"),
    ],
)
def test_the_environment_may_give_the_address(tmp_path: Path, variables: dict[str, str], url: str) -> None:
    notify = loaded(tmp_path, telling(OPS), **variables).notify

    assert notify
    assert notify.channels[0].url.read().reveal() == url


def test_the_environment_may_give_all_of_it(tmp_path: Path) -> None:
    given = {
        "ROTATOR_NOTIFY__CHANNELS__HOOK__KIND": "webhook",
        "ROTATOR_NOTIFY__CHANNELS__HOOK__URL": "https://in.example.com/x",
        "ROTATOR_NOTIFY__CHANNELS__HOOK__SECRET": "a secret of the environment",
        "ROTATOR_NOTIFY__CHANNELS__HOOK__EVENTS": "blocked, failed",
        "ROTATOR_NOTIFY__CHANNELS__HOOK__AT_MOST": "3",
        "ROTATOR_HEARTBEAT__URL": "https://ping.example.com/y",
    }

    settings = loaded(tmp_path, **given)

    assert settings.notify
    assert settings.heartbeat
    (hook,) = settings.notify.channels
    assert (hook.name, hook.at_most) == ("hook", 3)
    assert hook.route.events == {Kind.BLOCKED, Kind.FAILED}
    assert hook.secret
    assert hook.secret.read().reveal() == "a secret of the environment"
    assert settings.heartbeat.url.read().reveal() == "https://ping.example.com/y"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (telling("url_file: pager-url"), LINE, "notify.channels.ops: has no `kind`; add it"),
        (telling("kind: mail, url_file: pager-url"), LINE, "notify.channels.ops: has an unknown `kind`; it must be `apprise` or `webhook`"),  # noqa: E501
        (telling("kind: apprise"), LINE, "notify.channels.ops.url_file: is missing; add it"),
        (telling("kind: apprise, url_file: none-there"), LINE, "notify.channels.ops.url_file: the file cannot be read"),
        (telling(f"kind: apprise, url: 'slack://{CANARY}'"), LINE, "notify.channels.ops.url: a secret may not stand here; put it into a file, and name that by `url_file`"),  # noqa: E501
        (telling("kind: webhook, secret_file: hook-secret"), LINE, "notify.channels.ops: needs an address; write either `url` or `url_file`"),  # noqa: E501
        (telling(HOOK + ", url_file: pager-url"), LINE, "notify.channels.ops: needs an address"),
        (telling("kind: webhook, url: 'https://a.example.com'"), LINE, "notify.channels.ops.secret_file: is missing"),
        (telling(f"kind: webhook, url: 'https://a.example.com', secret: {CANARY}"), LINE, "notify.channels.ops.secret: a secret may not stand here; put it into a file, and name that by `secret_file`"),  # noqa: E501
        (telling("kind: webhook, url: 'http://a.example.com/x', secret_file: hook-secret"), LINE, "notify.channels.ops.url: is not encrypted; write `https://`"),  # noqa: E501
        (telling("kind: webhook, url: 'https://u:p@a.example.com/x', secret_file: hook-secret"), LINE, "notify.channels.ops.url: has a user or a password in it"),  # noqa: E501
        (telling("kind: webhook, url: 'in.example.com', secret_file: hook-secret"), LINE, "notify.channels.ops.url: is no URL"),  # noqa: E501
        (telling(OPS + ", events: [blokked]"), LINE, "notify.channels.ops.events[0]: must be `rotated` or `failed`"),
        (telling(OPS + ", events: []"), LINE, "notify.channels.ops.events: is empty; it needs at least one entry"),
        (telling(OPS + ", polices: [prod]"), LINE, "notify.channels.ops.polices: is no key that belongs here; did you mean `policies`?"),  # noqa: E501
        (telling(OPS + ", policies: [prd]"), LINE, "notify.channels.ops.policies[0]: there is no such policy; did you mean `prod`?"),  # noqa: E501
        (telling(OPS + ", at_most: 0"), LINE, "notify.channels.ops.at_most: is too small; it must be at least 1"),
        (telling(OPS, "  upcoming: soon\n"), LINE + 1, "notify.upcoming: is no duration"),
        (telling(OPS, "  chanels: {}\n"), LINE + 1, "notify.chanels: is no key that belongs here; did you mean `channels`?"),  # noqa: E501
        (GOOD + "notify: {channels: {}}\n", 16, "notify.channels: is empty; it needs at least one entry"),
        (GOOD + "notify: {}\n", 16, "notify.channels: is missing; add it"),
        (GOOD + "notify: {channels: {'a b': {kind: apprise, url_file: pager-url}}}\n", 16, "must be made of A-Z a-z 0-9 _ . - alone"),  # noqa: E501
        (GOOD + "heartbeat: {every: 1m}\n", 16, "heartbeat.url_file: is missing; add it"),
        (GOOD + f"heartbeat: {{url: 'https://a.example.com/{CANARY}'}}\n", 16, "heartbeat.url: a secret may not stand here; put it into a file, and name that by `url_file`"),  # noqa: E501
        (GOOD + "heartbeat: {url_file: heartbeat-url, every: 2d}\n", 16, "heartbeat.every: is too long; at most 12h makes sense here"),  # noqa: E501
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)

    (problem,) = caught.value.problems
    assert problem.startswith(f"{tmp_path}/config.yaml:{line}: ")
    assert said in problem
    assert CANARY not in problem
