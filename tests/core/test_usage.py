"""What the log's requests show of an old secret: who uses it, who fails, and whether silence means something."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core.usage import LATE, SHOWN, Evidence, TokenRequest, Usage, UsageLog, strictest, told, unreadable, weigh

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
LEFT, OFF = NOW - 10 * HOUR, NOW - 2 * HOUR
OLD, OTHER = "old-hash", "other-hash"


def request(before: timedelta = MINUTE, **traits: Any) -> TokenRequest:
    """A grant with the old secret, so long ago."""
    usual = TokenRequest(NOW - before, granted=True, hashes=frozenset({OLD}), address="192.0.2.7", agent="job/1.0")
    return replace(usual, **traits)


def refusal(before: timedelta = MINUTE, **traits: Any) -> TokenRequest:
    """A request that was refused for its secret, which the log does not tell."""
    return request(before, **({"granted": False, "hashes": frozenset()} | traits))


def evidence(*requests: TokenRequest, off: datetime | None = None, calibrated: datetime | None = NOW) -> Evidence:
    log = UsageLog(requests, calibrated)
    return weigh(log, old_hash=OLD, left=LEFT, switched_off=off, now=NOW)


WITH_OLD, WITH_OTHER = frozenset({OLD}), frozenset({OTHER})
CASES: dict[str, tuple[tuple[TokenRequest, ...], datetime | None, int, int]] = {  # users and those who fail
    "nothing": ((), None, 0, 0),
    "a grant": ((request(),), None, 1, 0),
    "a grant just when it left": ((request(NOW - LEFT),), None, 1, 0),
    "a grant before it left": ((request(NOW - LEFT + MINUTE),), None, 0, 0),
    "a grant of ours": ((request(ours=True),), None, 0, 0),
    "a grant with another hash": ((request(hashes=WITH_OTHER),), None, 0, 0),
    "a grant with several hashes": ((request(hashes=WITH_OLD | WITH_OTHER),), None, 1, 0),
    "a refusal for the scope": ((refusal(hashes=WITH_OLD, for_other_reason=True),), None, 1, 0),
    "a refusal for the scope when it was off": ((refusal(hashes=WITH_OLD, for_other_reason=True),), OFF, 1, 0),
    "a refusal while it was on": ((refusal(hashes=WITH_OLD),), None, 1, 0),
    "a refusal before it was off": ((refusal(3 * HOUR, hashes=WITH_OLD),), OFF, 1, 0),
    "a masked refusal while it was on": ((refusal(), request(HOUR)), None, 1, 0),
    "a refusal since it was off": ((refusal(hashes=WITH_OLD),), OFF, 0, 1),
    "a refusal just when it was off": ((refusal(NOW - OFF, hashes=WITH_OLD),), OFF, 0, 1),
    "a refusal of ours since it was off": ((refusal(hashes=WITH_OLD, ours=True),), OFF, 0, 0),
    "a refusal of another secret": ((refusal(hashes=WITH_OTHER), request(3 * HOUR)), OFF, 1, 0),
    "a masked refusal from where it was used": ((refusal(), request(3 * HOUR)), OFF, 1, 1),
    "a masked refusal from elsewhere": ((refusal(address="192.0.2.8"), request(3 * HOUR)), OFF, 1, 0),
    "a masked refusal where nobody was seen": ((refusal(),), OFF, 0, 0),
    "a masked refusal from nowhere": ((refusal(address=""), request(3 * HOUR, address="")), OFF, 1, 0),
    "a masked refusal for the scope": ((refusal(for_other_reason=True), request(3 * HOUR)), OFF, 1, 0),
    "a masked refusal from where we used it": ((refusal(), request(3 * HOUR, ours=True)), OFF, 0, 0),
    "a masked refusal before it was off": ((refusal(3 * HOUR), request(4 * HOUR)), OFF, 1, 0),
    "a grant after it was off": ((request(),), OFF, 1, 0),
}


@pytest.mark.parametrize(("requests", "off", "users", "failing"), CASES.values(), ids=CASES)
def test_who_uses_it_and_who_fails(
    requests: tuple[TokenRequest, ...], off: datetime | None, users: int, failing: int
) -> None:
    found = evidence(*requests, off=off)

    assert (len(found.users), len(found.failing)) == (users, failing)


@pytest.mark.parametrize(
    ("log", "why"),
    [
        pytest.param(UsageLog((), NOW), "", id="a grant with the new one just now"),
        pytest.param(UsageLog((), NOW - LATE), "", id="at the limit"),
        pytest.param(UsageLog((), NOW - LATE - MINUTE), "is of 2026-11-27 11:49 UTC", id="late"),
        pytest.param(
            UsageLog((), None), "no token request with the current secret's hash", id="no hash of the new one"
        ),
        pytest.param(UsageLog((), NOW, whole=False), "more of this client than was read", id="not all of it"),
    ],
)
def test_silence_is_proven_by_a_log_that_was_read_whole_is_not_late_and_tells_hashes(log: UsageLog, why: str) -> None:
    found = weigh(log, old_hash=OLD, left=LEFT, switched_off=None, now=NOW)

    assert found.seen_at is None
    assert why in found.unproven
    assert bool(why) == bool(found.unproven)


def test_a_log_that_may_not_be_read_proves_nothing_and_says_why() -> None:
    assert unreadable("403 no") == Evidence(unproven="the System Log cannot be read: 403 no")


def test_a_user_is_told_once_with_its_last_use_and_the_last_one_first() -> None:
    found = evidence(
        request(3 * HOUR),
        request(HOUR),
        request(2 * HOUR),
        request(MINUTE, agent="portal/2"),
        request(5 * HOUR, agent="z"),
    )

    assert [(user.agent, NOW - user.last) for user in found.users] == [
        ("portal/2", MINUTE),
        ("job/1.0", HOUR),
        ("z", 5 * HOUR),
    ]
    assert found.seen_at == NOW - MINUTE


def test_users_are_told_in_one_line_and_not_all_of_many() -> None:
    few = evidence(request(), request(HOUR, address="", agent=""))
    many = evidence(*(request(n * MINUTE, agent=f"job/{n}") for n in range(1, SHOWN + 3)))

    assert told(few.users) == (
        "job/1.0 at 192.0.2.7, last 2026-11-27 11:59 UTC; "
        "an unnamed program at an unknown address, last 2026-11-27 11:00 UTC"
    )
    assert told(many.users).endswith("job/3 at 192.0.2.7, last 2026-11-27 11:57 UTC and 2 more")
    assert "more" not in told(many.users[:SHOWN])
    assert told(()) == ""


def test_the_strictest_of_what_is_asked() -> None:
    assert strictest([Usage.OFF, Usage.REQUIRED, Usage.STOP_IF_SEEN]) is Usage.REQUIRED
    assert strictest([Usage.OFF, Usage.STOP_IF_SEEN]) is Usage.STOP_IF_SEEN
    assert strictest([]) is Usage.OFF


# --- whatever the log says ------------------------------------------------------------------------------------------

REQUESTS = some.lists(
    some.builds(
        TokenRequest,
        at=some.datetimes(datetime(2026, 11, 27), datetime(2026, 11, 28), timezones=some.just(UTC)),  # noqa: DTZ001 -- the bounds of aware ones are naive
        granted=some.booleans(),
        hashes=some.sampled_from([frozenset[str](), WITH_OLD, WITH_OTHER]),
        address=some.sampled_from(["", "192.0.2.7", "192.0.2.8"]),
        agent=some.sampled_from(["", "job/1.0"]),
        ours=some.booleans(),
        for_other_reason=some.booleans(),
    ),
    max_size=12,
)
SWITCHED_OFF = some.sampled_from([None, LEFT, OFF, NOW])


@given(REQUESTS, SWITCHED_OFF)
def test_every_use_by_others_since_it_left_is_a_user_or_fails(
    requests: list[TokenRequest], off: datetime | None
) -> None:
    found = evidence(*requests, off=off)
    named = {(user.address, user.agent) for user in (*found.users, *found.failing)}

    for each in requests:
        if OLD in each.hashes and each.at >= LEFT and not each.ours:
            assert (each.address, each.agent) in named


@given(REQUESTS, SWITCHED_OFF)
def test_our_own_requests_and_the_order_change_nothing(requests: list[TokenRequest], off: datetime | None) -> None:
    others = [each for each in requests if not each.ours]

    assert evidence(*requests, off=off) == evidence(*others, off=off) == evidence(*reversed(requests), off=off)


@given(REQUESTS)
def test_nobody_fails_while_it_is_on(requests: list[TokenRequest]) -> None:
    assert evidence(*requests).failing == ()


@given(REQUESTS, SWITCHED_OFF, some.builds(refusal, hashes=some.just(WITH_OLD)))
def test_more_in_the_log_never_makes_anybody_vanish(
    requests: list[TokenRequest], off: datetime | None, more: TokenRequest
) -> None:
    before, after = evidence(*requests, off=off), evidence(*requests, more, off=off)

    assert {(user.address, user.agent) for user in before.users} <= {(u.address, u.agent) for u in after.users}
    assert {(user.address, user.agent) for user in before.failing} <= {(u.address, u.agent) for u in after.failing}
