"""A fleet's year played through: nobody is forgotten, no limit is passed, and what does not fit is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from rotator.core.admission import Admitted, Begun, Ledger, Limits, Wish, may_begin
from rotator.core.agenda import SPREAD, place_of
from rotator.core.budget import Shares
from rotator.core.capacity import AT_ONCE, LISTING, played
from rotator.core.capacity_course import Course
from rotator.core.capacity_figures import figures_of
from rotator.core.capacity_minutes import MINUTE, REMOVAL, ROTATION, Minutes, Room
from rotator.core.capacity_scene import Member, Run, Scene
from rotator.core.capacity_warnings import span, warnings_of
from rotator.core.model import AppId, KvPath, Mode, Policy, Reason, Target, Wave
from rotator.core.schedule import DAYS, Blackout, Window
from rotator.daemon import stock
from rotator.daemon.passes import Limits as DaemonLimits

START = datetime(2026, 3, 2, tzinfo=UTC)  # a Monday
NOWHERE = KvPath("kv", "nowhere")
AMPLE, SCARCE = Room(20, 40), Room(2, 4)
OFFICE = Window(frozenset(DAYS[:4]), time(9), time(16), "Europe/Oslo")
NIGHT = Window(frozenset({"sat"}), time(22), time(4), "Europe/Oslo")
HOLIDAYS = Blackout(date(2026, 4, 1), date(2026, 4, 12), "Europe/Oslo")
AUTO = Policy(mode=Mode.AUTO, rotate_after=timedelta(days=30), overlap=timedelta(days=3), soak=timedelta(days=1))
DAY = timedelta(days=1)

policies = some.builds(
    replace,
    some.just(AUTO),
    windows=some.sampled_from([(), (OFFICE,), (OFFICE, NIGHT)]),
    blackouts=some.sampled_from([(), (HOLIDAYS,)]),
    wave=some.sampled_from([None, Wave(), Wave(canary=2, size=3, spacing=timedelta(hours=1))]),
    backlog_spread=some.sampled_from([timedelta(0), timedelta(days=5)]),
)
rooms = some.sampled_from([AMPLE, SCARCE])


def member(n: int, policy: Policy, age: timedelta, *, met: datetime | None = START) -> Member:
    target = Target(f"t{n}", "acme", "main", AppId(f"0oa{n}"), NOWHERE, NOWHERE, policy)
    return Member(target, START - age, met)


def fleet(
    count: int, policy: Policy, *, oldest: float = 30, met: datetime | None = START, seed: int = 1
) -> list[Member]:
    draw = Random(seed)
    return [member(n, policy, timedelta(days=oldest * draw.random()), met=met) for n in range(count)]


def scene(members: list[Member], *, days: int = 90, room: Room = AMPLE) -> Scene:
    return Scene(members, START, timedelta(days=days), {"acme": room})


def begun(run: Run) -> dict[int, list[int]]:
    """Return when each member's rotations began."""
    found: dict[int, list[int]] = {n: [] for n in range(len(run.scene.members))}
    for life in run.lives:
        if life.begun is not None:
            found[life.member].append(life.begun)
    return found


# --- conservation -------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(policy=policies, room=rooms, seed=some.integers(0, 99), met=some.sampled_from([None, START]))
def test_each_target_is_rotated_once_in_each_period_and_none_is_forgotten(
    policy: Policy, room: Room, seed: int, met: datetime | None
) -> None:
    run = played(scene(fleet(20, policy, oldest=60, seed=seed, met=met), room=room))

    period = policy.rotate_after.total_seconds()
    for times in begun(run).values():
        assert all(later - earlier >= period for earlier, later in pairwise(times))
        # The longest rest is the period, the blackout and a weekend, or the spread; then 20 take their turns.
        assert times
        assert times[0] <= timedelta(days=30 + 20).total_seconds()
        assert all(later - earlier <= period + 20 * 86400 for earlier, later in pairwise(times))


@settings(max_examples=15, deadline=None)
@given(policy=policies, room=rooms, seed=some.integers(0, 99))
def test_each_rotation_costs_what_it_costs_and_ends(policy: Policy, room: Room, seed: int) -> None:
    run = played(scene(fleet(12, policy, seed=seed), room=room))

    spent = run.minutes["acme"].spent
    assert spent["create"] == sum(life.begun is not None for life in run.lives)
    assert spent["deactivate"] == sum(life.off is not None for life in run.lives)
    assert spent["delete"] == sum(life.gone is not None for life in run.lives)
    assert spent["look"] >= spent["create"] + spent["deactivate"] + spent["delete"]
    for life in run.lives:
        steps = [each for each in (life.ready, life.begun, life.made, life.promoted, life.off, life.gone) if each]
        assert steps == sorted(steps)
        if life.promoted is not None and life.off is not None:
            assert life.off - life.promoted >= policy.overlap.total_seconds()


def test_without_windows_and_waves_a_year_is_so_many_lives_and_looks() -> None:
    policy = replace(AUTO, rotate_after=timedelta(days=90))
    run = played(scene([member(0, policy, timedelta(days=90))], days=365))

    passes = {"look": 15, "create": 5, "deactivate": 5, "delete": 5}
    assert run.minutes["acme"].spent == {**passes, "look at rest": 365}


def test_each_target_is_looked_at_at_rest_once_a_day_and_the_members_of_an_org_are_listed_page_by_page() -> None:
    told_only = replace(AUTO, mode=Mode.MANUAL)
    still = replace(scene(fleet(20, told_only), days=2), listed={"acme": 201})

    assert played(still).minutes["acme"].spent == {"look at rest": 2 * 20, "listing": 2 * 24 * 2}


def test_one_whose_look_comes_after_the_beginning_of_a_blackout_has_waited_for_that_alone() -> None:
    dark = Blackout(date(2026, 3, 3), date(2026, 3, 5), "UTC")
    policy = replace(AUTO, blackouts=(dark,))
    alone = scene([member(0, policy, 29 * DAY + timedelta(seconds=1))], days=9)
    assert place_of("t0") * SPREAD > timedelta(seconds=1), "else its look comes before the blackout"

    run = played(alone)

    (life,) = run.lives
    assert life.ready == life.begun == alone.second(dark.ends)
    assert figures_of(run).policies[0].latest == timedelta(0)


# --- limits -------------------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(policy=policies, room=rooms, seed=some.integers(0, 99), met=some.sampled_from([None, START]))
def test_no_minute_has_more_calls_than_our_share(policy: Policy, room: Room, seed: int, met: datetime | None) -> None:
    told_only = replace(policy, mode=Mode.MANUAL)
    acts = played(scene(fleet(60, policy, oldest=90, seed=seed, met=met), days=30, room=room))
    looks = played(scene(fleet(60, told_only, oldest=90, seed=seed, met=met), days=30, room=room))

    assert max(acts.minutes["acme"].calls) <= room.urgent
    assert max(looks.minutes["acme"].calls) <= room.routine
    for run in (acts, looks):
        assert sum(run.minutes["acme"].calls) == run.minutes["acme"].spent.total()


@given(calls=some.lists(some.tuples(some.integers(0, 300), some.booleans()), max_size=60))
def test_a_call_takes_the_first_minute_from_its_own_on_that_has_room(calls: list[tuple[int, bool]]) -> None:
    minutes, plainly = Minutes(100, SCARCE), Counter[int]()

    for at, urgent in calls:
        most = SCARCE.urgent if urgent else SCARCE.routine
        first = next(minute for minute in range(at // MINUTE, 100) if plainly[minute] < most)
        plainly[first] += 1
        assert minutes.take(at, "look", urgent=urgent) == max(at, first * MINUTE)

    assert minutes.calls == [plainly[minute] for minute in range(100)]


def test_a_room_is_what_the_program_itself_takes_of_a_limit() -> None:
    assert Room.of(50, Shares()) == Room(20, 40)
    assert Room.of(1, Shares()) == Room(1, 1)


def test_looks_that_find_no_room_are_told_and_take_none_from_rotations() -> None:
    run = played(scene(fleet(3_000, AUTO, oldest=20), days=12, room=Room(1, 2)))

    (org,) = figures_of(run).orgs
    assert org.late_looks > 1_000
    assert "looks without room" in {warned.what for warned in warnings_of(figures_of(run))}


# --- calendar and waves -------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(policy=policies, room=rooms, seed=some.integers(0, 99))
def test_nothing_disruptive_happens_while_it_is_closed(policy: Policy, room: Room, seed: int) -> None:
    run = played(scene(fleet(30, policy, oldest=60, seed=seed), room=room))

    for life in run.lives:
        for at in (life.begun, life.promoted):
            assert at is None or policy.calendar.is_open(run.scene.moment(at))
        if life.off is not None:  # the look found it open; the removal itself may wait for a minute's room
            looked = life.off - life.off % MINUTE - 1
            assert any(policy.calendar.is_open(run.scene.moment(at)) for at in (looked, life.off))


@settings(max_examples=15, deadline=None)
@given(room=rooms, seed=some.integers(0, 99), windows=some.sampled_from([(), (OFFICE,)]))
def test_a_wave_is_no_larger_than_it_may_be(room: Room, seed: int, windows: tuple[Window, ...]) -> None:
    wave = Wave(canary=1, size=4, spacing=timedelta(minutes=30))
    run = played(scene(fleet(40, replace(AUTO, wave=wave, windows=windows), oldest=60, seed=seed), room=room))

    times = sorted(at for times in begun(run).values() for at in times)
    spacing = wave.spacing.total_seconds()
    assert max(sum(at <= later < at + spacing for later in times) for at in times) <= wave.size
    assert sum(later < times[0] + spacing for later in times) == wave.canary


def test_what_was_overdue_begins_within_the_spread() -> None:
    policy = replace(AUTO, backlog_spread=timedelta(days=10))
    run = played(scene([member(n, policy, timedelta(days=40)) for n in range(50)], days=20))

    days = Counter(life.begun // 86400 for life in run.lives if life.begun is not None)
    assert max(days) <= 10
    assert max(days.values()) <= 15


@settings(deadline=None)
@given(
    gaps=some.lists(some.integers(0, 900), min_size=1, max_size=80),
    takes=some.integers(1, 600),
    wave=some.sampled_from([None, Wave(), Wave(canary=3, size=5, spacing=timedelta(minutes=20))]),
)
def test_the_part_of_the_ledger_that_is_kept_answers_as_all_of_it(
    gaps: list[int], takes: int, wave: Wave | None
) -> None:
    policy, limits, now = replace(AUTO, wave=wave), Limits(), 0
    course, all_of_it = Course(policy, [(0, 10**9)], limits), list[tuple[int, Begun]]()
    for n, gap in enumerate(gaps):
        now += gap
        at = START + timedelta(seconds=now)
        wish = Wish(f"t{n}", policy, Reason.EXPIRED, at)
        full = [
            replace(row, ended_at=START + timedelta(seconds=ended), good=True) if ended <= now else row
            for ended, row in all_of_it
        ]
        answers = [may_begin(wish, Ledger(rows, 100, START), limits, at) for rows in (full, course.lately(now))]
        assert answers[0] == answers[1]
        if isinstance(answers[0], Admitted):
            ends = now + takes
            all_of_it.append((ends, Begun(wish.target, policy.name, urgent=False, at=at)))
            course.note(wish.target, (now, at), (ends, START + timedelta(seconds=ends)))


def test_a_peak_is_told_with_its_calls_and_its_time() -> None:
    run = played(scene(fleet(60, AUTO, met=None, oldest=33), days=4, room=SCARCE))
    calls = run.minutes["acme"].calls

    (org,) = figures_of(run).orgs
    for peak, length in ((org.minute, 1), (org.hour, 60), (org.day, 24 * 60)):
        first = run.scene.second(peak.at) // MINUTE
        assert first % length == 0
        assert sum(calls[first : first + length]) == peak.calls > 0


def test_the_busiest_minute_of_each_day_may_be_its_first() -> None:
    minutes, some_run = Minutes(4 * 24 * 60, AMPLE), played(scene(fleet(1, AUTO), days=4))
    for minute in (0, 25 * 60 + 7, 25 * 60 + 7, 72 * 60):
        minutes.take(minute * MINUTE, "create")

    (org,) = figures_of(replace(some_run, minutes={"acme": minutes})).orgs

    assert [peak.at - START for peak in (org.minute, org.hour, org.day)] == [
        timedelta(days=1, hours=1, minutes=7),
        timedelta(days=1, hours=1),
        DAY,
    ]
    assert org.busiest == (1, 2, 0, 1)


# --- what is told -------------------------------------------------------------------------------------------


def test_a_window_that_cannot_hold_what_falls_into_it_is_told_with_the_reason() -> None:
    hour = Window(frozenset({"mon"}), time(9), time(10), "UTC")
    for policy, why in (
        (replace(AUTO, windows=(hour,)), "By Okta's limit it holds 60"),
        (replace(AUTO, windows=(hour,), wave=Wave(size=5, spacing=timedelta(minutes=30))), "By `wave` it holds 15"),
    ):
        figures = figures_of(played(scene(fleet(90, policy, oldest=5), room=SCARCE)))

        (warned,) = [each for each in warnings_of(figures) if each.what == "window too small"]
        assert why in warned.text
        assert ("larger waves" in warned.hint) is ("`wave`" in why)
        worst = max(figures.policies[0].too_small, key=lambda each: each.left)
        assert 0 < worst.left < worst.fell <= 90


def test_a_window_that_holds_it_is_not_told() -> None:
    figures = figures_of(played(scene(fleet(90, replace(AUTO, windows=(OFFICE,))))))

    assert figures.policies[0].too_small == ()
    assert warnings_of(figures) == ()


def test_a_blackout_says_what_falls_due_in_it_and_when_that_is_over() -> None:
    figures = figures_of(played(scene(fleet(60, replace(AUTO, blackouts=(HOLIDAYS,))))))

    (dark,) = figures.policies[0].dark
    assert 10 < dark.fell < 40
    assert dark.caught_up is not None
    assert dark.ends <= dark.caught_up <= dark.ends + timedelta(hours=2)


def test_the_longest_time_with_two_active_secrets_spans_a_blackout() -> None:
    figures = figures_of(played(scene(fleet(60, replace(AUTO, blackouts=(HOLIDAYS,))))))

    (policy,) = figures.policies
    assert AUTO.overlap + 10 * DAY < policy.two_active < AUTO.overlap + 13 * DAY
    assert policy.two_active_of.startswith("t")
    assert [warned.what for warned in warnings_of(figures)] == ["two active for long"]


def test_an_emergency_is_calls_by_the_urgent_share() -> None:
    (each,) = figures_of(played(scene(fleet(100, AUTO), days=1))).emergencies

    assert each.promoted_after == timedelta(minutes=-(-100 * ROTATION // AMPLE.urgent))
    assert each.removed_after == timedelta(minutes=-(-100 * (ROTATION + REMOVAL) // AMPLE.urgent))


@pytest.mark.parametrize(
    ("policy", "what"),
    [
        pytest.param(replace(AUTO, mode=Mode.OBSERVE), "only observes", id="one that observes"),
        pytest.param(replace(AUTO, mode=Mode.MANUAL), "rotates when told", id="one that waits for word"),
        pytest.param(replace(AUTO, mode=Mode.APPROVE), "approved at once", id="one that waits for approval"),
        pytest.param(
            replace(AUTO, blackouts=(Blackout(date(2026, 1, 1), date(2026, 12, 31), "UTC"),)),
            "never open",
            id="one that is never open",
        ),
        pytest.param(replace(AUTO, backlog_spread=timedelta(days=365)), "backlog not over", id="one that has no time"),
    ],
)
def test_a_policy_that_is_not_what_it_seems_is_told(policy: Policy, what: str) -> None:
    figures = figures_of(played(scene(fleet(30, policy, oldest=90), days=30)))

    assert what in {warned.what for warned in warnings_of(figures)}


def test_many_that_are_due_when_a_new_daemon_starts_are_told() -> None:
    for met, told in ((None, True), (START - DAY, False)):
        figures = figures_of(played(scene(fleet(30, AUTO, oldest=90, met=met), days=30)))

        assert ("many due at the start" in {warned.what for warned in warnings_of(figures)}) is told


def test_the_same_scene_gives_the_same_run() -> None:
    policy = replace(AUTO, wave=Wave(), windows=(OFFICE,), blackouts=(HOLIDAYS,))
    one, other = (played(scene(fleet(50, policy, oldest=90), room=SCARCE)) for _ in range(2))

    assert one.lives == other.lives
    assert one.minutes["acme"].calls == other.minutes["acme"].calls


def test_what_it_takes_from_the_daemon_is_as_there() -> None:
    assert DaemonLimits().at_once == AT_ONCE
    assert stock.EVERY == LISTING


@pytest.mark.parametrize(
    ("length", "said"),
    [
        (timedelta(0), "no time"),
        (timedelta(seconds=59), "no time"),
        (timedelta(minutes=59), "59 min"),
        (timedelta(minutes=61), "1 h 1 min"),
        (timedelta(hours=24), "1 d"),
        (timedelta(days=2, hours=3, minutes=4), "2 d 3 h"),
    ],
)
def test_a_length_of_time_is_told_for_people(length: timedelta, said: str) -> None:
    assert span(length) == said
