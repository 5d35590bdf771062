"""The loop: what it begins and when, and that nothing which befalls one target touches another."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.agenda import Entry, State
from rotator.core.model import Mode, Policy
from rotator.daemon.agenda import Agenda
from rotator.daemon.passes import Limits
from rotator.daemon.vitals import Pulse
from rotator.errors import ConfigError, InvariantError, RefusedError, RotatorError, UnavailableError
from tests.app.small_world import OLD, SmallWorld
from tests.daemon.post import PACE, TICK, Post

if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence

    from rotator.core.model import Target

    Log = list[MutableMapping[str, Any]]

DUE, ALMOST = 91.0, 89.5
DAY, HOUR, MINUTE, SECOND = (timedelta(**{unit: 1}) for unit in ("days", "hours", "minutes", "seconds"))
AT_ONCE = 4


def events(log: Log, *names: str) -> list[str]:
    return [event["event"] for event in log if not names or event["event"] in names]


def fleet(small: SmallWorld, count: int, *, age: float = 0, first: int = 0) -> list[Target]:
    targets = [small.settled(f"t{n}", app_id=f"0oa{n}") for n in range(first, first + count)]
    small.clock.advance(timedelta(days=age))
    return targets


def secrets(small: SmallWorld, targets: Sequence[Target]) -> Counter[int]:
    """Count the targets by how many secrets they have."""
    return Counter(len(small.okta.held(target.app_id)) for target in targets)


# --- due --------------------------------------------------------------------------------------------------------


async def test_what_is_due_at_the_start_is_rotated_and_the_rest_left_alone(small: SmallWorld) -> None:
    due = fleet(small, 3, age=DUE)
    young = fleet(small, 3, first=3)

    async with Post(small, [*due, *young]) as post:
        assert secrets(small, due) == {2: 3}
        assert secrets(small, young) == {1: 3}
        assert post.vitals.by_state() == {State.RESTING: 6}


async def test_at_the_start_all_are_looked_at_a_few_at_a_time_in_an_order_that_stays(small: SmallWorld) -> None:
    targets, orders = fleet(small, 40), []

    async def suspend(_: str) -> None:
        await asyncio.sleep(0)

    for given in (targets, targets[::-1]):
        post = Post(small, given)
        post.wires.kv.meanwhile = suspend
        async with post:
            orders.append([outcome.target.name for outcome in post.outcomes])

    assert orders[0] == orders[1]
    assert sorted(orders[0]) == sorted(target.name for target in targets)
    assert orders[0] != [target.name for target in targets]
    assert small.leases.most == AT_ONCE


async def test_an_org_that_is_slow_takes_no_place_from_another(small: SmallWorld) -> None:
    slow, quick = (
        fleet(small, 6, age=DUE),
        [replace(target, org="other") for target in fleet(small, 6, first=6, age=DUE)],
    )
    release = asyncio.Event()

    async def wait(_: str) -> None:
        await release.wait()

    post = Post(small, [*slow, *quick])
    post.wires.okta["acme"].meanwhile = wait
    async with post:
        assert (secrets(small, slow), secrets(small, quick)) == ({1: 6}, {2: 6})
        assert sum(one.under_way for one in post.vitals.targets()) == AT_ONCE
        release.set()


async def test_of_many_orgs_only_so_much_is_under_way_in_all(small: SmallWorld) -> None:
    targets = [replace(target, org=f"org{n % 10}") for n, target in enumerate(fleet(small, 40))]
    post, release = Post(small, targets), asyncio.Event()

    async def wait(_: str) -> None:
        await release.wait()

    post.wires.kv.meanwhile = wait
    async with post:
        assert sum(one.under_way for one in post.vitals.targets()) == Limits().in_all
        release.set()


async def test_a_quiet_tick_asks_nobody_and_logs_nothing(small: SmallWorld, log: Log) -> None:
    async with Post(small, fleet(small, 20)) as post:
        before, told = len(post.wires.kv.asked), len(log)
        await post.tick()

        assert len(post.wires.kv.asked) == before
        assert [event["log_level"] for event in log[told:]] == ["debug"]


async def test_everybody_is_looked_at_within_a_day_and_not_all_at_once(small: SmallWorld) -> None:
    targets = fleet(small, 100)
    async with Post(small, targets) as post:
        most = 0
        for _ in range(24):
            before = len(post.outcomes)
            await post.tick(HOUR)
            most = max(most, len(post.outcomes) - before)

        assert {post.passes(target.name) for target in targets} == {2}
        assert most <= 15


async def test_after_a_day_off_500_targets_rotate_what_is_due_once_and_nothing_else(small: SmallWorld) -> None:
    due = fleet(small, 250, age=ALMOST)
    young = fleet(small, 250, first=250)
    async with Post(small, [*due, *young]):
        assert secrets(small, due) == {1: 250}

    small.clock.advance(DAY)
    async with Post(small, [*due, *young]) as post:
        assert len(post.outcomes) == 500
        assert secrets(small, due) == {2: 250}
        assert secrets(small, young) == {1: 250}

    async with Post(small, [*due, *young]) as post:
        assert not any(outcome.steps for outcome in post.outcomes)


async def test_a_night_that_was_slept_through_is_made_up_for_at_the_next_tick(small: SmallWorld) -> None:
    targets = fleet(small, 10, age=ALMOST)
    async with Post(small, targets) as post:
        assert secrets(small, targets) == {1: 10}
        await post.tick(2 * DAY)

        assert secrets(small, targets) == {2: 10}


async def test_a_clock_that_is_put_back_has_all_looked_at_and_rotates_nothing(small: SmallWorld) -> None:
    targets = fleet(small, 10, age=ALMOST)
    async with Post(small, targets) as post:
        await post.tick(-30 * DAY)
        assert {post.passes(target.name) for target in targets} == {2}
        assert secrets(small, targets) == {1: 10}
        assert all(one.next_look - small.clock.now() <= DAY for one in post.vitals.targets())

        await post.tick(31 * DAY + MINUTE)
        assert secrets(small, targets) == {2: 10}


async def test_a_whole_rotation_goes_by_itself_from_due_to_deleted(small: SmallWorld) -> None:
    (target,) = fleet(small, 1, age=DUE)
    async with Post(small, [target]) as post:
        for _ in range(24 * 12):
            await post.tick(HOUR)

    held = small.okta.held(target.app_id)
    assert [secret.value.reveal() for secret in held] == [small.current(target)] != [OLD]


async def test_what_was_revoked_is_found_at_the_next_look(small: SmallWorld) -> None:
    (target,) = fleet(small, 1)
    async with Post(small, [target]) as post:
        with small.okta.by("somebody"):
            await small.okta.create_secret(target.app_id, small.world.mint.value())
            await small.okta.deactivate_secret(target.app_id, small.okta.held(target.app_id)[0].id)
        await post.until_due(target.name)

        assert small.okta.accepts(small.current(target), target.app_id)


async def test_a_value_that_cannot_be_proven_is_tried_after_longer_and_longer_waits(
    small: SmallWorld, log: Log
) -> None:
    target = small.settled(age=DUE)
    small.okta.server_answers = False
    async with Post(small, [target]) as post:
        waits = [await post.until_due("billing") for _ in range(5)]
        small.okta.server_answers = True
        await post.until_due("billing")

    assert waits == [SECOND, 2 * SECOND, 4 * SECOND, 8 * SECOND, 15 * SECOND]
    assert (small.current(target) != OLD, len(small.okta.held())) == (True, 2)
    assert events(log, "secret_unproven", "target_recovered") == ["secret_unproven", "target_recovered"]


async def test_what_is_under_way_comes_before_what_has_waited_longer(small: SmallWorld) -> None:
    pulse = Pulse(small.clock.now(), TICK)
    agenda, now = Agenda(pulse, PACE), small.clock.now()
    agenda.take_up(fleet(small, 20), now)
    pulse.entries["t7"] = Entry(now + SECOND, State.WORKING, soon=True)
    pulse.entries["t8"] = Entry(now - SECOND)

    assert [target.name for target in agenda.due(now + MINUTE)][:2] == ["t7", "t8"]


# --- one stops no other -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error", [RefusedError("no", code="E0000006"), InvariantError("?")], ids=["refused", "impossible"]
)
async def test_a_failure_backs_off_is_told_once_and_stops_no_other(
    small: SmallWorld, log: Log, error: RotatorError
) -> None:
    broken, fine = fleet(small, 2, age=DUE)
    async with Post(small, []) as post:
        post.wires.unopened[broken.name] = error
        await post.reload(broken, fine)
        assert post.vitals.target(broken.name).state is State.FAILING
        for _ in range(4):
            await post.until_due(broken.name)
        del post.wires.unopened[broken.name]
        await post.until_due(broken.name)

    assert secrets(small, [broken, fine]) == {2: 2}
    told = [event for event in log if event["event"] in {"target_failed", "target_recovered"}]
    assert [(event["event"], event["target"]) for event in told] == [
        ("target_failed", broken.name),
        ("target_recovered", broken.name),
    ]
    assert (told[0]["detail"], told[0]["log_level"]) == (str(error), "error")


async def test_a_failure_that_comes_back_is_told_again(small: SmallWorld, log: Log) -> None:
    target = small.settled()
    async with Post(small, [target]) as post:
        for _ in range(2):
            post.wires.unopened["billing"] = RefusedError("no")
            await post.until_due("billing")
            del post.wires.unopened["billing"]
            await post.until_due("billing")

    assert events(log, "target_failed", "target_recovered") == ["target_failed", "target_recovered"] * 2


async def test_who_fails_for_days_is_parked_with_the_reason(small: SmallWorld, log: Log) -> None:
    target = small.settled()
    async with Post(small, []) as post:
        post.wires.unopened["billing"] = ConfigError(["the key of acme cannot be read"])
        await post.reload(target)
        while post.vitals.target("billing").state is not State.PARKED:
            await post.until_due("billing")
        assert 3 * HOUR <= await post.until_due("billing") <= 6 * HOUR

        last = post.vitals.target("billing").last
        assert last is not None
        assert (last.result, last.detail) == ("error", "the key of acme cannot be read")
    assert events(log, "target_failed", "target_parked") == ["target_failed", "target_parked"]


async def test_a_fault_of_this_program_is_one_targets_ending_with_its_place_in_the_log(
    small: SmallWorld, log: Log
) -> None:
    broken, fine = fleet(small, 2, age=DUE)

    async def fault(_: str) -> None:
        post.wires.okta["acme"].meanwhile = None
        raise ValueError("with a secret in it")

    post = Post(small, [broken, fine])
    post.wires.okta["acme"].meanwhile = fault
    async with post:
        assert post.running
        assert post.vitals.by_state() == {State.FAILING: 1, State.RESTING: 1}

    (told,) = [event for event in log if event["event"] == "target_failed"]
    assert isinstance(told["exc_info"], ValueError)
    assert "secret" not in told["detail"]


async def test_a_fault_in_what_follows_a_pass_stops_no_other_either(small: SmallWorld, log: Log) -> None:
    targets = fleet(small, 5)
    post = Post(small, targets)

    def listener(outcome: object, now: object) -> None:
        raise KeyError("a bug in what counts")

    post.loop._passes._on_outcome = (listener,)
    async with post:
        assert post.running
        assert post.vitals.by_state() == {State.FAILING: 5}
    assert len(events(log, "target_failed")) == 5


async def test_who_is_busy_elsewhere_is_left_alone_until_the_next_tick(small: SmallWorld, log: Log) -> None:
    target = small.settled(age=DUE)
    post = Post(small, [target])
    async with small.leases.hold(target):
        async with post:
            assert post.vitals.target("billing").state is State.BUSY
            await post.tick()
            assert small.current(target) == OLD
            small.leases.now.clear()
            await post.tick()
            assert small.current(target) != OLD
        small.leases.now.add("billing")
    assert events(log, "target_busy", "target_recovered") == ["target_busy", "target_recovered"]


async def test_a_blocked_target_is_told_once_and_looked_at_every_hour(small: SmallWorld, log: Log) -> None:
    target = small.settled()
    small.okta.remove_app("0oa1")
    async with Post(small, [target]) as post:
        for _ in range(3):
            assert 54 * MINUTE <= await post.until_due("billing") <= HOUR

        assert post.vitals.target("billing").state is State.BLOCKED
    assert events(log) == ["tick_finished", "target_blocked", *["tick_finished"] * 3, "daemon_stopping"]


async def test_a_target_that_was_gone_is_told_anew(small: SmallWorld, log: Log) -> None:
    target = small.target("absent", app_id="0oaAbsent")
    async with Post(small, [target]) as post:
        await post.reload()
        assert not post.loop._pulse.last
        await post.reload(target)

    assert len(events(log, "target_blocked")) == 2


@pytest.mark.parametrize(
    ("mode", "event"), [(Mode.OBSERVE, "target_observed"), (Mode.MANUAL, "target_due")], ids=["observe", "manual"]
)
async def test_what_is_due_and_not_ours_to_begin_is_told_once(
    small: SmallWorld, log: Log, mode: Mode, event: str
) -> None:
    target = replace(small.settled(age=DUE), policy=Policy(mode=mode))
    async with Post(small, [target]) as post:
        for _ in range(3):
            await post.until_due("billing")

    assert small.current(target) == OLD
    assert events(log, event) == [event]


# --- time limits ------------------------------------------------------------------------------------------------


async def test_a_pass_that_is_too_slow_ends_between_two_actions_and_goes_on_later(small: SmallWorld) -> None:
    target = small.settled(age=DUE)

    async def slow(name: str) -> None:
        if name == "write":
            small.clock.advance(6 * MINUTE)

    post = Post(small, [target])
    post.wires.kv.meanwhile = slow
    async with post:
        assert [type(step.action).__name__ for step in post.outcomes[0].steps] == ["Stage"]
        assert post.vitals.target("billing").failures == 1

        post.wires.kv.meanwhile = None
        await post.until_due("billing")
        await post.tick(MINUTE)
        assert (small.current(target) != OLD, len(small.okta.held())) == (True, 2)


async def test_a_call_that_never_ends_is_cut_off_and_frees_its_place(small: SmallWorld, log: Log) -> None:
    target = small.settled(age=DUE)
    moment = timedelta(milliseconds=50)

    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    post = Post(small, [target], limits=Limits(one_pass=moment, grace=moment))
    post.wires.kv.meanwhile = hangs
    async with post:
        await asyncio.sleep(0.15)

        assert post.vitals.target("billing").state is State.FAILING
        assert not post.vitals.target("billing").under_way
    assert "TimeoutError" in next(event["detail"] for event in log if event["event"] == "target_failed")


async def test_ticks_finish_however_long_a_pass_takes(small: SmallWorld) -> None:
    target, release = small.settled(age=DUE), asyncio.Event()

    async def slow(_: str) -> None:
        await release.wait()

    post = Post(small, [target])
    post.wires.kv.meanwhile = slow
    async with post:
        await post.tick()
        await post.tick()
        assert (post.vitals.ticks, post.vitals.alive) == (3, True)
        assert post.vitals.target("billing").under_way
        release.set()


# --- stopping ---------------------------------------------------------------------------------------------------


class Slow:
    """Writes to Vault that wait for `release`."""

    def __init__(self, post: Post) -> None:
        self.reached, self.release = asyncio.Event(), asyncio.Event()
        post.wires.kv.meanwhile = self

    async def __call__(self, name: str) -> None:
        if name == "write":
            self.reached.set()
            await self.release.wait()


async def test_after_word_to_stop_what_is_under_way_is_finished_and_nothing_begun(small: SmallWorld) -> None:
    targets = fleet(small, 20, age=DUE)
    post = Post(small, targets)
    slow = Slow(post)
    async with post:
        post.ask_to_stop()
        await post.settle()
        assert (post.running, post.vitals.stopping) == (True, True)
        slow.release.set()
        await post.settle()
        assert not post.running

    assert secrets(small, targets) == {1: 16, 2: 4}
    assert all(small.current(target) != OLD for target in targets if len(small.okta.held(target.app_id)) == 2)


async def test_a_pass_that_has_only_looked_is_let_go(small: SmallWorld, log: Log) -> None:
    (acts,) = fleet(small, 1, age=DUE)
    post = Post(small, [acts, replace(small.settled("looks", app_id="0oaLooks"), org="slow")])
    slow = Slow(post)

    async def hangs(_: str) -> None:
        await asyncio.Event().wait()

    post.wires.of(replace(acts, org="slow"))
    post.wires.okta["slow"].meanwhile = hangs
    async with post:
        assert sum(one.under_way for one in post.vitals.targets()) == 2
        post.ask_to_stop()
        await post.settle()
        assert [one.target.name for one in post.vitals.targets() if one.under_way] == [acts.name]
        slow.release.set()
        await post.settle()
        assert not post.running

    assert next(event["under_way"] for event in log if event["event"] == "daemon_stopping") == [acts.name]
    assert not events(log, "passes_cut_off")


async def test_what_does_not_finish_in_time_is_cut_off_and_named(small: SmallWorld, log: Log) -> None:
    target = small.settled(age=DUE)
    post = Post(small, [target], limits=Limits(drain=timedelta(milliseconds=30)))
    Slow(post)
    async with post:
        await post.stop()

    (told,) = [event for event in log if event["event"] == "passes_cut_off"]
    assert told["targets"] == ["billing"]
    assert not small.leases.now


async def test_a_second_word_waits_for_nothing(small: SmallWorld, log: Log) -> None:
    post = Post(small, [small.settled(age=DUE)])
    Slow(post)
    async with post:
        post.ask_to_stop()
        await post.settle()
        post.asked.at_once.set()
        await post.settle()
        assert not post.running
    assert events(log, "passes_cut_off") == ["passes_cut_off"]


async def test_a_start_settles_what_was_cut_off(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    post = Post(small, [target], limits=Limits(drain=timedelta(0)))
    Slow(post)
    async with post:
        pass
    async with Post(small, [target]):
        assert (small.current(target) != OLD, len(small.okta.held())) == (True, 2)


# --- another configuration --------------------------------------------------------------------------------------


async def test_new_changed_and_removed_targets_are_taken_up(small: SmallWorld, log: Log) -> None:
    stays, changes, goes = fleet(small, 3)
    (new,) = fleet(small, 1, first=3)
    async with Post(small, [stays, changes, goes]) as post:
        await post.reload(stays, replace(changes, policy=Policy(mode=Mode.MANUAL)), new)

        looks = [post.passes(target.name) for target in (stays, changes, goes, new)]
        assert looks == [1, 2, 1, 1]
        assert [one.target.name for one in post.vitals.targets()] == [stays.name, changes.name, new.name]
    (told,) = [event for event in log if event["event"] == "configuration_reloaded"]
    assert (told["targets"], told["added"], told["changed"], told["removed"]) == (3, 1, 1, 1)


async def test_a_bad_configuration_changes_nothing_and_is_told_whole(small: SmallWorld, log: Log) -> None:
    (target,) = fleet(small, 1)
    async with Post(small, [target]) as post:
        post.settings = ConfigError(["c.yaml:3: one", "c.yaml:9: two"])
        await post.hup()

        assert (post.running, post.wires.followed, post.passes(target.name)) == (True, [], 1)
    (told,) = [event for event in log if event["event"] == "configuration_kept"]
    assert told["problems"] == ["c.yaml:3: one", "c.yaml:9: two"]


async def test_whoever_failed_or_is_blocked_is_looked_at_again_with_the_new_configuration(small: SmallWorld) -> None:
    failing, blocked = fleet(small, 2)
    small.okta.remove_app(blocked.app_id)
    async with Post(small, [blocked]) as post:
        post.wires.unopened[failing.name] = RefusedError("no")
        await post.reload(failing, blocked)
        await post.reload(failing, blocked)

        assert [post.passes(target.name) for target in (failing, blocked)] == [2, 3]


async def test_connections_are_closed_once_who_uses_them_has_finished(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    post = Post(small, [target])
    slow = Slow(post)
    async with post:
        await post.reload(replace(target, policy=Policy(mode=Mode.AUTO, soak=DAY)))
        assert (len(post.wires.followed), post.wires.closed) == (1, 0)
        slow.release.set()
        await post.settle()
        assert post.wires.closed == 1


async def test_a_pass_over_what_has_changed_since_does_not_put_off_the_next(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    changed = replace(target, policy=Policy(mode=Mode.AUTO, soak=DAY))
    post = Post(small, [target])
    slow = Slow(post)
    async with post:
        await post.reload(changed)
        slow.release.set()
        await post.settle()

        assert [outcome.target for outcome in post.outcomes] == [target, changed]


async def test_a_failure_with_connections_that_are_left_behind_is_no_failure(small: SmallWorld, log: Log) -> None:
    target = small.settled(age=DUE)
    post = Post(small, [target])
    slow = Slow(post)
    async with post:
        post.wires.kv.error = RefusedError("our token is no good", code="token")
        await post.reload(target)
        slow.release.set()
        await post.settle()

        assert (len(post.outcomes), post.entry().failures) == (2, 0)
        assert small.current(target) != OLD
    assert not events(log, "target_failed", "vault_refused_us")


async def test_after_word_to_stop_a_configuration_begins_nothing(small: SmallWorld) -> None:
    (target,) = fleet(small, 1, age=DUE)
    async with Post(small, []) as post:
        post.asked.stop = True
        await post.reload(target)

    assert small.current(target) == OLD


# --- told -------------------------------------------------------------------------------------------------------


async def test_how_each_target_stands_is_logged_when_asked(small: SmallWorld, log: Log) -> None:
    (target,) = fleet(small, 1)
    async with Post(small, [target, small.target("absent", app_id="0oaAbsent")]) as post:
        post.asked.status = True
        post.bell.ring()
        await post.settle()

    first, second = (event for event in log if event["event"] == "status")
    assert (first["target"], first["state"], first["waiting"]) == (target.name, "resting", "next rotation")
    assert (second["target"], second["state"]) == ("absent", "blocked")


async def test_the_vitals_show_each_target_and_nothing_secret(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    async with Post(small, [target]) as post:
        vitals = post.vitals
        one = vitals.target("billing")

        assert (vitals.ticks, vitals.alive, vitals.stopping) == (1, True, False)
        assert one.last is not None
        assert one.last.secret_id == small.fields(target)["client_secret_id"]
        assert one.last.secret_created == small.clock.now()
        assert one.last.waiting == "end of the overlap"
        assert small.current(target) not in repr((one, vitals))


async def test_logins_are_kept_alive_at_each_tick(small: SmallWorld) -> None:
    async with Post(small, fleet(small, 1)) as post:
        for _ in range(3):
            await post.tick()

        assert post.wires.renewals == 4


async def test_the_next_due_time_rings_between_two_ticks(small: SmallWorld) -> None:
    target = small.settled(age=DUE)
    small.okta.server_answers = False
    async with Post(small, [target]) as post:
        assert post.wakes_at == small.clock.now() + SECOND


async def test_a_failure_that_others_do_not_share_is_the_targets_own(small: SmallWorld) -> None:
    broken, fine = fleet(small, 2)

    async with Post(small, [broken, fine]) as post:
        post.wires.unopened[broken.name] = UnavailableError("500")
        await post.until_due(broken.name)

        assert post.vitals.target(broken.name).failures == 1
        assert post.vitals.target(fine.name).state is State.RESTING
