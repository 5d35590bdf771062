"""What Okta's rate-limit headers leave to us, told as the answers of one bucket."""

from __future__ import annotations

from datetime import timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as some

from rotator.core.actions import Activate, Create, Deactivate, Delete, Stage
from rotator.core.budget import SAME, Bucket, Haste, Share, Shares, bucket_of, haste, in_haste, until_reset
from rotator.core.due import haste_for
from rotator.core.facts import Facts
from rotator.core.model import OrderMode, Reason, SecretId
from tests.core.snapshots import NOON, A, B, F, closed, consumer, order, secret, seen, staged, version

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from rotator.core.actions import Action
    from rotator.core.model import Snapshot

ROUTINE, URGENT = Shares().routine, Shares().urgent


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


class Story:
    """A bucket, and what happens to its calls, in order."""

    def __init__(self, *, skew: float = 0) -> None:
        self.bucket = Bucket()
        self.now = NOON
        self.skew = timedelta(seconds=skew)  # of Okta's clock

    def at(self, seconds: float) -> Story:
        self.now = after(seconds)
        return self

    def sends(self, calls: int = 1) -> Story:
        for _ in range(calls):
            self.bucket.sent()
        return self

    def hears(
        self, left: int | None, *, limit: int | None = 10, resets: float = 60, status: int = 200, spread: float = 0
    ) -> Story:
        okta = {"x-rate-limit-reset": str(int((after(resets) + self.skew).timestamp()))}
        okta |= {"date": format_datetime(self.now + self.skew, usegmt=True)}
        okta |= {"x-rate-limit-limit": str(limit)} if limit is not None else {}
        okta |= {"x-rate-limit-remaining": str(left)} if left is not None else {}
        return self.answered(status, okta, spread=spread)

    def answered(self, status: int, headers: dict[str, str], *, spread: float = 0) -> Story:
        self.bucket.answered(status, headers, now=self.now, spread=spread)
        return self

    def calls(self, *lefts: int, **said: float) -> Story:
        """Send calls, each answered before the next."""
        for left in lefts:
            self.sends().hears(left, **said)  # type: ignore[arg-type]
        return self

    def loses(self) -> Story:
        self.bucket.lost(self.now)
        return self

    def opens(self, part: float = ROUTINE) -> float | None:
        """Return in how many seconds after noon a call may go; None if a call under way must end first."""
        moment = self.bucket.opens(part, self.now)
        return None if moment is None else (moment - NOON).total_seconds()


# Each row: what happened, the share, and when a call may go: in seconds after noon, None for when a call has ended.
ROWS = [
    # --- nothing is known
    pytest.param(Story, ROUTINE, 0, id="the first call goes at once"),
    pytest.param(lambda: Story().sends(), ROUTINE, None, id="the second waits for the answer to the first"),
    pytest.param(lambda: Story().sends(), URGENT, None, id="an urgent one as well"),
    pytest.param(lambda: Story().sends(2).answered(200, {}), ROUTINE, 0, id="without headers there is no limit"),
    pytest.param(lambda: Story().sends(2).loses(), ROUTINE, 0, id="nor where nobody answers"),
    # --- our share of a window
    pytest.param(lambda: Story().calls(9), ROUTINE, 0, id="then what the headers say: one of ten is used"),
    pytest.param(lambda: Story().calls(9, 8, 7), ROUTINE, 0, id="a fourth of ten is within four tenths"),
    pytest.param(lambda: Story().calls(9, 8, 7, 6), ROUTINE, 60, id="a fifth has to wait for the next window"),
    pytest.param(lambda: Story().calls(9, 8, 7, 6), URGENT, 0, id="unless it is urgent"),
    pytest.param(lambda: Story().calls(9, 8, 7, 6, 5, 4, 3, 2), URGENT, 60, id="a ninth waits even then"),
    pytest.param(lambda: Story().calls(9).sends(3), ROUTINE, 60, id="calls under way count as used"),
    pytest.param(lambda: Story().calls(9).sends(2), ROUTINE, 0, id="and so there may be several at once"),
    pytest.param(lambda: Story().calls(9, 8).hears(7).sends(), 1.0, 0, id="all of it may be ours"),
    pytest.param(lambda: Story().calls(0, limit=1), 1.0, 60, id="but no more than all"),
    pytest.param(lambda: Story().calls(2, limit=3), 0.29, 60, id="a share of a small limit is rounded down"),
    pytest.param(lambda: Story().calls(99, limit=100).sends(27), 0.29, 0, id="but not by the noise of a float"),
    pytest.param(lambda: Story().calls(9), 0.2, 0, id="of a first answer one call is ours"),
    pytest.param(lambda: Story().calls(9).sends(3).loses(), ROUTINE, 0, id="a call that is lost gives its place back"),
    pytest.param(lambda: Story().calls(9).sends(4).loses(), ROUTINE, 60, id="and that of no other"),
    # --- what others use
    pytest.param(lambda: Story().calls(6), ROUTINE, 0, id="what others use is theirs: of seven two are ours"),
    pytest.param(lambda: Story().calls(6, 5), ROUTINE, 60, id="and a third is not"),
    pytest.param(lambda: Story().calls(9, 8, 2), ROUTINE, 60, id="others who come later take from our share too"),
    pytest.param(lambda: Story().calls(0), ROUTINE, 60, id="nothing is left"),
    pytest.param(lambda: Story().calls(1), ROUTINE, 60, id="the last one is left alone: we have had ours"),
    pytest.param(lambda: Story().calls(4).sends(4), 1.0, 60, id="as many are under way as are left"),
    pytest.param(
        lambda: Story().calls(9, 9, 9, 9), ROUTINE, 60, id="where each client has a limit of its own, all of ours count"
    ),
    pytest.param(lambda: Story().calls(0), 1.0, 60, id="nothing is nothing, even of all"),
    # --- answers that arrive late
    pytest.param(
        lambda: Story().calls(9).sends(2).hears(2).hears(8), ROUTINE, 60, id="an answer that was overtaken is no news"
    ),
    pytest.param(
        lambda: Story().calls(9, 8, 7, 6, resets=60).calls(5, resets=61),
        ROUTINE,
        61,
        id="a reset that moves by a second is no new window",
    ),
    pytest.param(
        lambda: Story().calls(9, 8, 7, 6, resets=60).calls(9, resets=60 + SAME),
        ROUTINE,
        0,
        id="one that moves as far as two windows may differ is one",
    ),
    pytest.param(
        lambda: Story().calls(9).sends().hears(0, resets=60 - SAME),
        ROUTINE,
        0,
        id="and one as far before it is an older one",
    ),
    pytest.param(
        lambda: Story().calls(9).at(59).calls(9, resets=119).sends().hears(0, resets=60),
        ROUTINE,
        59,
        id="an answer of an older window says nothing of this one",
    ),
    pytest.param(
        lambda: Story().calls(9, 8, 7, 6).at(59).calls(9, resets=119),
        ROUTINE,
        59,
        id="a reset that lies further ahead is a new window",
    ),
    # --- the next window
    pytest.param(lambda: Story().calls(9, 8, 7, 6).at(59), ROUTINE, 60, id="a second before its end it still counts"),
    pytest.param(lambda: Story().calls(9, 8, 7, 6).at(60), ROUTINE, 60, id="at its end the next call goes"),
    pytest.param(
        lambda: Story().calls(9, 8, 7, 6).at(60).sends(), ROUTINE, None, id="one, for others may have been there"
    ),
    pytest.param(
        lambda: Story().calls(9, 8, 7, 6).at(61).calls(3, resets=120),
        ROUTINE,
        120,
        id="and have: of four one is ours",
    ),
    pytest.param(
        lambda: Story().calls(9, 8, 7, 6).at(61).calls(9, resets=120), ROUTINE, 61, id="else it begins anew"
    ),
    pytest.param(
        lambda: Story().calls(9).at(60).sends(2).loses(), ROUTINE, 60, id="where nobody answers it is not waited for"
    ),
    pytest.param(
        lambda: Story().sends().hears(9, spread=1).sends(3), ROUTINE, 61, id="not everybody comes in the same moment"
    ),
    # --- clocks
    pytest.param(lambda: Story(skew=-3600).calls(0), ROUTINE, 60, id="an hour behind ours, Okta's clock is no matter"),
    pytest.param(lambda: Story(skew=86400).calls(0), ROUTINE, 60, id="nor a day ahead"),
    pytest.param(lambda: Story().calls(0, resets=5000), ROUTINE, 119, id="a reset far away is not believed"),
    pytest.param(lambda: Story().calls(0, resets=-5), ROUTINE, 0, id="one that has passed is over"),
    pytest.param(
        lambda: Story().calls(0).at(-3600), ROUTINE, -3600, id="when our clock is set back nothing is waited for"
    ),
    pytest.param(
        lambda: Story().sends().answered(429, {}).at(-3600), ROUTINE, -3600, id="not even after a refusal"
    ),
    # --- refused
    pytest.param(
        lambda: Story().sends().hears(0, status=429, resets=42), ROUTINE, 42, id="a used-up window is waited for"
    ),
    pytest.param(
        lambda: Story().sends().hears(None, limit=None, status=429, resets=42),
        URGENT,
        42,
        id="even if only its end is told",
    ),
    pytest.param(
        lambda: Story().calls(5).sends().hears(4, status=429, resets=42), ROUTINE, 42, id="whatever seems to be left"
    ),
    pytest.param(
        lambda: Story().sends().hears(0, status=429, resets=-5), ROUTINE, 1, id="and never for less than a second"
    ),
    pytest.param(
        lambda: Story().calls(9).at(60).sends().hears(0, status=429, resets=60),
        ROUTINE,
        61,
        id="a window that ends later than it said is waited for",
    ),
    # --- too many at once
    pytest.param(
        lambda: Story().sends().hears(0, limit=0, status=429), ROUTINE, 0.5, id="too many at once is no window"
    ),
    pytest.param(
        lambda: Story().sends().hears(0, limit=0, status=429, spread=1), URGENT, 1, id="but a pause, with jitter"
    ),
    pytest.param(
        lambda: Story().sends().hears(0, limit=0, status=429).at(1).sends(),
        ROUTINE,
        None,
        id="after it one call goes at a time",
    ),
    pytest.param(
        lambda: Story().sends().hears(0, limit=0, status=429).at(1).sends().hears(0, limit=0, status=429),
        ROUTINE,
        2,
        id="refused again, the pause is twice as long",
    ),
    pytest.param(
        lambda: Story().sends(4).hears(0, limit=0, status=429).hears(0, limit=0, status=429).loses(),
        ROUTINE,
        0.5,
        id="several that were sent together are one refusal",
    ),
    pytest.param(
        lambda: Story().sends().hears(0, limit=0, status=429).at(1).calls(8).sends(),
        ROUTINE,
        1,
        id="let through, all is as before",
    ),
    pytest.param(
        lambda: Story().calls(9).sends().hears(0, limit=0, status=429).at(1).calls(8, 7, 6),
        ROUTINE,
        60,
        id="and the window still counts",
    ),
    pytest.param(
        lambda: Story().sends().answered(429, {}), ROUTINE, 0.5, id="a refusal without headers is a pause as well"
    ),
    pytest.param(
        lambda: Story().sends().answered(429, {"x-rate-limit-reset": "soon", "date": "today"}),
        ROUTINE,
        0.5,
        id="and so is one whose headers cannot be read",
    ),
    pytest.param(lambda: Story().sends().hears(5, status=429), 1.0, 60, id="after a refusal nothing is left"),
    # --- headers that make no sense
    pytest.param(
        lambda: Story().calls(9).sends().hears(0, limit=None), ROUTINE, 0, id="what is left without a limit is no news"
    ),
    pytest.param(
        lambda: Story().sends(2).hears(0, limit=999_999_999), ROUTINE, 60, id="a large limit is one"
    ),
    pytest.param(
        lambda: Story().sends(2).hears(0, limit=1_000_000_000), ROUTINE, 0, id="a number that is too long is none"
    ),
    pytest.param(
        lambda: Story().calls(6, 5).sends().answered(200, {"x-rate-limit-remaining": "9"}),
        ROUTINE,
        60,
        id="half a set of headers changes nothing",
    ),
    pytest.param(
        lambda: Story().calls(6, 5).sends().hears(0, limit=0), ROUTINE, 60, id="nor does a success with a limit of zero"
    ),
    pytest.param(
        lambda: Story().sends().hears(-1, limit=-7), ROUTINE, 0, id="nor do numbers that are none"
    ),
]  # fmt: skip


@pytest.mark.parametrize(("told", "part", "opens"), ROWS)
def test_when_a_call_may_go(told: Callable[[], Story], part: float, opens: float | None) -> None:
    assert told().opens(part) == opens


def test_a_storm_of_refusals_is_met_with_pauses_of_up_to_a_minute() -> None:
    story, pauses = Story(), []
    for _ in range(9):
        began = story.now
        story.sends().answered(429, {}, spread=1)
        opens = story.bucket.opens(ROUTINE, story.now)
        assert opens
        pauses.append((opens - began).total_seconds())
        story.now = opens

    assert pauses == [1, 2, 4, 8, 15, 60, 60, 60, 60]


@given(
    limit=some.integers(1, 60),
    part=some.sampled_from([0.05, ROUTINE, 0.5, URGENT, 1.0]),
    events=some.lists(some.tuples(some.sampled_from(["send", "answer", "others", "lose"]), some.integers(1, 9))),
)
def test_we_never_go_under_our_reserve(limit: int, part: float, events: list[tuple[str, int]]) -> None:
    """Of what others have left when a call goes, our calls are at most our share, or the only one."""
    story = Story()
    taken, by_others, under_way = 0, 0, 0  # as Okta counts them; a call counts when it is sent
    heard = 0  # what the last answer knew of the others
    for kind, number in events:
        if kind == "send" and (moment := story.opens(part)) is not None and moment <= 0:
            story.sends()
            taken, under_way = taken + 1, under_way + 1
            assert taken == 1 or taken <= part * (limit - heard) + 1e-9
            assert taken <= max(limit - heard, 1)
        elif kind == "others":
            by_others = min(by_others + number, limit - taken)
        elif kind == "answer" and under_way:
            heard = max(heard, by_others)
            story.hears(max(limit - taken - by_others, 0), limit=limit)
            under_way -= 1


# --- names ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("/api/v1/apps", "/api/v1/apps/0oa1/credentials/secrets", id="the list and the secrets"),
        pytest.param(
            "/api/v1/apps/0oa1/credentials/secrets/ocs1",
            "/api/v1/apps/0oa2/credentials/secrets/ocs2/lifecycle/deactivate",
            id="two apps",
        ),
        pytest.param("/api/v1/apps/0oa1", "/api/v1/apps/0oa2", id="two apps by their ids"),
        pytest.param("/oauth2/v1/introspect", "/oauth2/v1/revoke", id="introspection and revocation"),
        pytest.param("/oauth2/default/v1/introspect", "/oauth2/default/v1/revoke", id="likewise at a custom server"),
    ],
)
def test_calls_of_one_bucket(one: str, other: str) -> None:
    assert bucket_of(one) == bucket_of(other)


def test_calls_of_different_buckets() -> None:
    paths = [
        "/api/v1/apps", "/api/v1/apps/0oa1", "/api/v1/logs", "/oauth2/v1/token", "/oauth2/default/v1/token",
        "/oauth2/v1/revoke", "/oauth2/default/v1/revoke", "/oauth2/other/v1/revoke",
    ]  # fmt: skip

    assert len({bucket_of(path) for path in paths}) == len(paths)


@pytest.mark.parametrize(
    ("path", "bucket"),
    [
        ("/api/v1/apps/0oa1", "/api/v1/apps/{id}"),
        ("/api/v1/apps/0oa1/credentials/secrets", "/api/v1/apps"),
        ("/oauth2/default/v1/revoke", "/oauth2/default/v1"),
        ("/api/v1/logs", "/api/v1/logs"),
    ],
)
def test_a_bucket_is_named_after_what_shares_it(path: str, bucket: str) -> None:
    assert bucket_of(path) == bucket


def test_the_window_is_what_the_last_answer_told_of() -> None:
    window = Story().calls(9, 8).bucket.window

    assert Bucket().window is None
    assert window
    assert (window.limit, window.left, window.ours, window.opens) == (10, 8, 2, after(60))


@pytest.mark.parametrize(
    "headers",
    [
        {}, {"x-rate-limit-reset": "1795431642"}, {"date": "Mon, 23 Nov 2026 11:00:00 GMT"},
        {"x-rate-limit-reset": "9" * 30, "date": "Mon, 23 Nov 2026 11:00:00 GMT"},
        {"x-rate-limit-reset": "-1e9", "date": "Mon, 23 Nov 2026 11:00:00 GMT"},
        {"x-rate-limit-reset": "1795431642", "date": "Mon, 42 Nov 2026 11:00:00 GMT"},
    ],
)  # fmt: skip
def test_headers_that_do_not_say_when_a_window_ends_say_nothing(headers: dict[str, str]) -> None:
    assert until_reset(headers) is None


# --- haste ----------------------------------------------------------------------------------------------------


def test_haste_holds_for_its_block_alone() -> None:
    pressing = Haste(Share.URGENT, timedelta(seconds=3))

    with in_haste(pressing):
        within = haste()

    assert (within, haste().share) == (pressing, Share.ROUTINE)


def test_what_is_urgent_counts_on_more() -> None:
    shares = Shares(0.1, 0.2)

    assert (shares.of(Share.ROUTINE), shares.of(Share.URGENT)) == (0.1, 0.2)


OCS = SecretId("ocsA")
HELD = consumer(version(1, A))
FINE = seen(secret(A), vault=HELD)
REVOKED = seen(secret(A, active=False), vault=HELD)
EMPTY = seen(secret(A))


@pytest.mark.parametrize(
    ("action", "found", "share", "waits"),
    [
        pytest.param(Create(), FINE, Share.ROUTINE, 120, id="a rotation that is due can wait"),
        pytest.param(Create(), REVOKED, Share.URGENT, 120, id="one for a dead secret cannot"),
        pytest.param(
            Create(),
            seen(secret(F), vault=HELD, staging=staged(B, base=HELD.current, reason=Reason.REVOKED)),
            Share.URGENT,
            120,
            id="even after the dead one was removed for room",
        ),
        pytest.param(
            Create(),
            seen(secret(A), vault=HELD, staging=staged(B, base=HELD.current, reason=Reason.EXPIRED)),
            Share.ROUTINE,
            120,
            id="what is under way only because of its age can wait",
        ),
        pytest.param(
            Create(),
            seen(secret(A), vault=HELD, staging=closed(order=order("ocsA"))),
            Share.URGENT,
            120,
            id="nor one that is ordered now",
        ),
        pytest.param(
            Create(),
            seen(secret(A), vault=HELD, staging=closed(order=order("ocsA", mode=OrderMode.WINDOW))),
            Share.ROUTINE,
            120,
            id="unlike one that is ordered for the next window",
        ),
        pytest.param(Stage(Reason.MISSING), EMPTY, Share.ROUTINE, 120, id="nobody waits for a path that is empty"),
        pytest.param(Deactivate(OCS, ""), FINE, Share.URGENT, 0, id="a removal goes at once or after a fresh look"),
        pytest.param(Delete(OCS, ""), FINE, Share.URGENT, 0, id="and so does a deletion"),
        pytest.param(Activate(OCS, ""), FINE, Share.URGENT, 120, id="undoing one is pressing"),
    ],
)
def test_how_pressing_an_action_is(action: Action, found: Snapshot, share: Share, waits: float) -> None:
    assert haste_for(action, Facts(found, NOON), patience=timedelta(minutes=2)) == Haste(
        share, timedelta(seconds=waits)
    )
