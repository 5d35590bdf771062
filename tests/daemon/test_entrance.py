"""The entrance, turn by turn: what waits for it and how long, what an outage changes, and what a fault of ours does."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import structlog

from rotator.core.agenda import Entry, State
from rotator.core.model import AppId, KvPath, Mode, Target
from rotator.core.preflight import Check, Finding, Kind
from rotator.core.preflight_said import Said, Verdict, ok
from rotator.daemon.entrance import AGAIN, PATIENCE, Entrance
from rotator.daemon.vitals import Pulse

if TYPE_CHECKING:
    from collections.abc import Sequence

START = datetime(2026, 3, 1, tzinfo=UTC)
LACKS = Said(Verdict.FAILED, "missing: `read` on kv/x", "Give it to our token.")
AWAY = Said(Verdict.FAILED, "no answer", "Wait.", outage=True)


class Hands:
    """A clock that stands still, and what was looked at and handed over."""

    def __init__(self, *names: str) -> None:
        self.at = START
        self.pulse = Pulse(START, timedelta(seconds=30))
        self.targets = tuple(target(name) for name in names)
        self.pulse.entries = {name: Entry(START) for name in names}
        self.says: dict[str, Said] = {}
        self.vault_says = ok("fine")
        self.fault: Exception | None = None
        self.looked_at: list[tuple[str, ...]] = []
        self.handed_over = self.rung = 0
        self.meanwhile = asyncio.Event()
        self.meanwhile.set()
        self.entrance = Entrance(self.inspect, self.pulse, self.hand_over, ring=self.ring, clock=self)
        self.through = self.entrance.through(self.targets)

    def now(self) -> datetime:
        return self.at

    def hand_over(self) -> None:
        self.handed_over += 1
        self.through = self.entrance.through(None)

    def ring(self) -> None:
        self.rung += 1

    async def inspect(self, targets: Sequence[Target]) -> tuple[Finding, ...]:
        self.looked_at.append(tuple(each.name for each in targets))
        await self.meanwhile.wait()
        if self.fault:
            raise self.fault
        vault = Finding(Check.VAULT_SEAL, Kind.VAULT, "main", self.vault_says)
        if self.vault_says.outage:
            return (vault,)
        own = [Finding(Check.RIGHTS, Kind.TARGET, each.name, self.says.get(each.name, ok("all"))) for each in targets]
        return (vault, *own)

    async def look(self, after: timedelta = timedelta(0)) -> None:
        self.at += after
        assert self.entrance.is_due(self.at)
        await self.entrance.look()

    @property
    def held(self) -> list[str]:
        return [each.name for each in self.through if each.only_observed and each.policy.mode is Mode.OBSERVE]


def target(name: str) -> Target:
    plain = Target(name, "acme", "main", AppId(f"0oa{name}"), KvPath("kv", name), KvPath("kv", f"staging/{name}"))
    return replace(plain, policy=replace(plain.policy, mode=Mode.AUTO))


async def test_who_lacks_something_is_only_looked_at_until_it_is_there() -> None:
    hands = Hands("a", "b")
    hands.says["b"] = LACKS

    await hands.look()
    assert (hands.held, hands.pulse.held_back["b"].check) == (["b"], Check.RIGHTS)
    assert (
        "missing: `read` on kv/x. Give it to our token; It is checked again by itself" in hands.through[1].only_observed
    )

    await hands.look(AGAIN)
    assert (hands.looked_at[-1], hands.handed_over) == (("b",), 1)

    hands.says.clear()
    await hands.look(AGAIN)
    assert (hands.held, hands.pulse.held_back, hands.through) == ([], {}, hands.targets)

    await hands.look(AGAIN)
    assert len(hands.looked_at) == 3


async def test_passes_wait_for_the_first_look_but_only_so_long() -> None:
    hands = Hands("a")
    hands.meanwhile.clear()
    look = asyncio.create_task(hands.look())
    await asyncio.sleep(0)

    assert hands.entrance.closed(START)
    assert hands.entrance.opens_at == START + PATIENCE
    assert not hands.entrance.closed(START + PATIENCE)
    assert not hands.entrance.closed(START - timedelta(days=1))

    hands.meanwhile.set()
    await look
    assert not hands.entrance.closed(START)
    assert hands.rung == 1


async def test_who_rested_well_is_not_looked_at_but_its_org_and_vault_are() -> None:
    hands = Hands("a", "b", "c")
    later = START + timedelta(days=3)
    hands.pulse.entries = {name: Entry(later, State.RESTING) for name in "abc"} | {"b": Entry(START, State.FAILING)}

    await hands.look()
    assert hands.looked_at == [("b", "c")]


async def test_a_newcomer_is_looked_at_by_itself() -> None:
    hands = Hands("a")
    await hands.look()

    hands.says["new"] = LACKS
    hands.through = hands.entrance.through([*hands.targets, target("new")])
    await hands.look()

    assert (hands.looked_at[-1], hands.held) == (("new",), ["new"])


async def test_an_outage_holds_nobody_back_and_lets_nobody_go() -> None:
    hands = Hands("a", "b")
    hands.says["b"] = LACKS
    await hands.look()

    hands.vault_says = AWAY
    await hands.look(AGAIN)
    assert hands.held == ["b"]

    hands.vault_says, hands.says = ok("fine"), {}
    await hands.look(AGAIN)
    assert (hands.looked_at[-1], hands.held) == (("a", "b"), [])


async def test_another_configuration_is_looked_at_whole_and_forgets_who_is_gone() -> None:
    hands = Hands("a", "b")
    hands.says["b"] = LACKS
    await hands.look()

    hands.entrance.begin_anew()
    hands.through = hands.entrance.through(hands.targets[:1])
    assert hands.pulse.held_back == {}
    await hands.look()

    assert hands.looked_at[-1] == ("a",)


async def test_what_is_wrong_is_told_once() -> None:
    hands = Hands("a", "b")
    hands.says = dict.fromkeys("ab", LACKS)
    with structlog.testing.capture_logs() as told:
        await hands.look()
        await hands.look(AGAIN)

    assert [each["event"] for each in told] == ["preflight_failed", "preflight_made"]
    assert (told[0]["targets"], told[0]["count"], told[1]["held_back"]) == (["a", "b"], 2, 2)


async def test_a_fault_of_this_program_holds_nobody_back_and_tells_no_text() -> None:
    hands = Hands("a")
    hands.fault = ValueError("the-secret-itself")
    with structlog.testing.capture_logs() as told:
        await hands.look()

    assert (hands.held, hands.entrance.closed(START), hands.rung) == ([], False, 1)
    assert [each["event"] for each in told] == ["preflight_not_made"]
    assert "the-secret-itself" not in told[0]["detail"]


async def test_whoever_stops_it_stops_the_look() -> None:
    hands = Hands("a")
    hands.meanwhile.clear()
    look = asyncio.create_task(hands.look())
    await asyncio.sleep(0)
    look.cancel()

    with pytest.raises(asyncio.CancelledError):
        await look
