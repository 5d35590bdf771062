"""Stocktaking: when it is due, what it tells once, and that nothing that goes wrong stops anybody."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.inventory import Stock, let_in, take_stock
from rotator.core.model import AppId, KvPath, Mode, Target
from rotator.core.selection import Selection
from rotator.core.sharing import Sites, VaultSite
from rotator.daemon.stock import EVERY, JITTER, RETRY, SOON, SPACING, Stocktaking
from rotator.errors import UnavailableError
from tests.app.small_world import AUTO
from tests.daemon.post import Post
from tests.fakes.roster import FakeRoster

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from rotator.ports import OktaAdmin
    from tests.app.small_world import SmallWorld

    Log = list[MutableMapping[str, Any]]

SECOND = timedelta(seconds=1)
SLACK = EVERY * JITTER
PATTERN = Target(
    name="services",
    org="acme",
    vault="main",
    app_id=AppId("{app_id}"),
    consumer=KvPath("kv", "apps/{app_id}/okta"),
    staging=KvPath("secret", "rotator/staging/acme/{app_id}"),
    policy=AUTO,
)


class Counter:
    """Stocktaking over the small world, when a test says so."""

    def __init__(self, small: SmallWorld) -> None:
        self.small = small
        self.selections = (Selection("services", PATTERN, label="svc-*"),)
        self.targets: tuple[Target, ...] = ()
        self.sites = Sites(
            {"acme": "acme.okta.com"}, {"main": VaultSite("https://vault", None, KvPath("secret", "rotator/staging"))}
        )
        self.roster = FakeRoster()
        self.handed: list[tuple[Target, ...]] = []
        self.away: Exception | None = None
        self.fault: Exception | None = None
        self.taking = Stocktaking(self._take, self.handed.append, clock=small.clock)
        for number in (1, 2, 3):
            small.okta.add_app(f"0oa{number}", label=f"svc-{number}")

    async def _take(self) -> Stock:
        if self.fault is not None:
            raise self.fault
        return await take_stock(self, self._okta_of, self.roster, self.small.clock)

    def _okta_of(self, _: str) -> OktaAdmin:
        if self.away is not None:
            raise self.away
        return self.small.okta

    def due(self) -> bool:
        return self.taking.is_due(self.small.clock.now())

    def rename(self, app_id: str, label: str) -> None:
        self.small.okta.change_app(replace(self.small.okta.app(app_id), label=label))

    async def take(self, *, after: timedelta = EVERY + SLACK) -> None:
        self.small.clock.advance(after)
        await self.taking.take()


@pytest.fixture
def counter(small: SmallWorld) -> Counter:
    return Counter(small)


def events(log: Log) -> list[str]:
    return [line["event"] for line in log if line["log_level"] != "debug"]


# --- when it is due -------------------------------------------------------------------------------------------


async def test_it_is_due_at_the_start_and_then_once_an_hour(counter: Counter) -> None:
    assert counter.due()

    await counter.take(after=timedelta(0))
    assert not counter.due()
    counter.small.clock.advance(EVERY - SLACK - SECOND)
    assert not counter.due()
    counter.small.clock.advance(2 * SLACK + SECOND)
    assert counter.due()


async def test_an_app_that_was_made_or_changed_makes_it_due_soon(counter: Counter) -> None:
    await counter.take()
    counter.small.clock.advance(SPACING)

    counter.taking.heard("application.lifecycle.create")

    assert not counter.due()
    counter.small.clock.advance(SOON)
    assert counter.due()


async def test_many_events_are_one_listing_now_and_then(counter: Counter) -> None:
    await counter.take()
    for _ in range(100):
        counter.taking.heard("application.lifecycle.update")

    counter.small.clock.advance(SPACING - SECOND)
    assert not counter.due()
    counter.small.clock.advance(SECOND)
    assert counter.due()


async def test_what_happens_to_secrets_makes_nobody_a_member(counter: Counter) -> None:
    await counter.take()
    counter.taking.heard("app.oauth2.credentials.lifecycle.create")
    counter.taking.heard("application.lifecycle.delete")

    counter.small.clock.advance(SPACING + SOON)
    assert not counter.due()


async def test_another_configuration_makes_it_due_at_once_and_is_handed_over(counter: Counter) -> None:
    await counter.take()
    counter.taking.begin_anew()

    assert counter.due()
    await counter.take()
    assert len(counter.handed) == 2


async def test_a_clock_that_is_put_back_makes_nobody_wait_for_longer(counter: Counter) -> None:
    await counter.take()
    counter.small.clock.advance(timedelta(days=-1))

    assert counter.due()


# --- what it tells and hands over -----------------------------------------------------------------------------


async def test_the_targets_are_handed_over_when_they_have_changed(counter: Counter) -> None:
    await counter.take()
    await counter.take()
    counter.small.okta.add_app("0oa4", label="svc-4")
    await counter.take()

    assert [[target.name for target in each] for each in counter.handed] == [
        ["services/0oa1", "services/0oa2", "services/0oa3"],
        ["services/0oa1", "services/0oa2", "services/0oa3", "services/0oa4"],
    ]
    assert {target.policy.mode for target in counter.handed[-1]} == {Mode.OBSERVE}


async def test_each_change_is_told_once(counter: Counter, log: Log) -> None:
    await counter.take()
    await counter.take()
    counter.rename("0oa2", "elsewhere")
    await counter.take()
    await counter.take()

    assert events(log) == ["selection_members_changed", "selection_members_changed"]
    assert "1 gone: svc-2 (0oa2)" in log[-1]["detail"]


async def test_a_listing_that_is_not_believed_is_told_once_and_once_more_when_one_is(
    counter: Counter, log: Log
) -> None:
    await counter.take()
    await let_in(counter.roster, ["services"])
    counter.rename("0oa1", "elsewhere")
    counter.rename("0oa2", "elsewhere")
    await counter.take()
    await counter.take()
    assert {target.policy.mode for target in counter.handed[-1]} == {Mode.OBSERVE}

    counter.rename("0oa1", "svc-1")
    counter.rename("0oa2", "svc-2")
    await counter.take()

    assert events(log)[1:] == ["selection_not_believed", "selection_believed"]
    assert {target.policy.mode for target in counter.handed[-1]} == {Mode.AUTO}


async def test_an_org_that_is_away_is_told_once_and_asked_again_soon(counter: Counter, log: Log) -> None:
    await counter.take()
    counter.away = UnavailableError("no answer")
    await counter.take()
    counter.small.clock.advance(RETRY)
    assert counter.due()

    await counter.take()
    counter.away = None
    await counter.take()

    assert events(log)[1:] == ["selection_not_listed"]
    assert len(counter.handed) == 1


async def test_what_was_told_before_an_outage_is_not_told_again_after_it(counter: Counter, log: Log) -> None:
    counter.rename("0oa1", "elsewhere")
    counter.selections = (replace(counter.selections[0], max_matches=1),)
    await counter.take()
    counter.away = UnavailableError("no answer")
    await counter.take()
    counter.away = None
    await counter.take()

    assert events(log) == ["selection_refused", "selection_not_listed"]


# --- what goes wrong ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "level"),
    [
        pytest.param(UnavailableError("the state database is out of reach"), "warning", id="the state is away"),
        pytest.param(KeyError("hunter2"), "error", id="a fault of this program"),
    ],
)
async def test_a_failure_is_told_once_and_leaves_the_targets_as_they_were(
    counter: Counter, log: Log, fault: Exception, level: str
) -> None:
    await counter.take()
    counter.fault = fault
    await counter.take()
    await counter.take(after=RETRY)
    assert [(line["event"], line["log_level"]) for line in log[1:]] == [("selections_not_listed", level)]
    assert "hunter2" not in log[-1]["detail"]
    assert len(counter.handed) == 1

    counter.small.clock.advance(RETRY)
    assert counter.due()
    counter.fault = None
    await counter.take()
    counter.fault = fault
    await counter.take()
    assert events(log)[1:] == ["selections_not_listed", "selections_not_listed"]


async def test_the_loop_looks_at_newcomers_and_writes_nothing_until_they_are_let_in(small: SmallWorld) -> None:
    counter = Counter(small)
    await counter.take()
    async with Post(small, counter.handed[-1]) as post:
        assert {outcome.target.name for outcome in post.outcomes} == {f"services/0oa{n}" for n in (1, 2, 3)}
        assert small.kv.keys == {}

        await let_in(counter.roster, ["services/0oa1"])
        await counter.take()
        await post.reload(*counter.handed[-1])

    assert [str(path) for path in small.kv.keys if path.mount == "kv"] == ["kv/apps/0oa1/okta"]
