"""What an inventory makes of what it found: use, risk, keepers, cost."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rotator.core.budget import Window
from rotator.core.inventory import Entry, Filter, Keeper, cost_of, in_order_of_asking, keepers, with_secrets
from rotator.core.inventory_risk import CHECKS, Hazard, judge, worst_first
from rotator.core.last_use import (
    HeldSecret,
    Holding,
    LastUse,
    Request,
    Requests,
    Trail,
    UseOf,
    holding_of,
    newest,
    refusals_unseen,
    trails_of,
    unseen_hashes,
)
from rotator.core.model import (
    App,
    AppId,
    AuthMethod,
    ClientId,
    KvPath,
    Mode,
    OktaSecret,
    Policy,
    SecretId,
    SecretStatus,
    Target,
)
from rotator.core.selection import Member, Newcomers, Selection
from rotator.core.sharing import Sites

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)
SINCE = NOON - 90 * DAY
ACTIVE, INACTIVE = SecretStatus.ACTIVE, SecretStatus.INACTIVE
AUTO = Policy("prod", mode=Mode.AUTO)


def app(app_id: str = "0oa1", **changes: Any) -> App:
    made = App(
        id=AppId(app_id),
        label="Billing",
        status="ACTIVE",
        sign_on_mode="OPENID_CONNECT",
        client_id=ClientId(changes.pop("client_id", app_id)),
        auth_method=AuthMethod.BASIC,
        application_type="service",
        grant_types=frozenset({"client_credentials"}),
        dpop_bound=False,
    )
    return replace(made, **changes)


# --- Use ------------------------------------------------------------------------------------------------------


def listed(number: int = 1, *, active: bool = True, changed: datetime = NOON - 50 * DAY) -> OktaSecret:
    status = ACTIVE if active else INACTIVE
    return OktaSecret(SecretId(f"ocs{number}"), status, NOON - (100 - number) * DAY, changed, f"hash{number}", None)


def request(days: float, with_hash: str | None = "hash1", *, refused: bool = False, client: str = "0oa1") -> Request:
    return Request(NOON - days * DAY, frozenset({client}), with_hash, refused)


def uses(secrets: list[OktaSecret], *found: Request, whole: bool = True) -> list[LastUse]:
    trail = Trail(SINCE, newest(found), whole)
    return [secret.used for secret in holding_of(app(), secrets, trail, at=NOON).secrets]


@pytest.mark.parametrize(
    ("found", "whole", "then"),
    [
        pytest.param([request(3)], True, [(UseOf.SECRET, 3), (UseOf.SECRET, None)], id="one was used, one was not"),
        pytest.param([request(3)], False, [(UseOf.SECRET, 3), (UseOf.UNKNOWN, None)], id="the other may have been"),
        pytest.param([request(3), request(1)], True, [(UseOf.SECRET, 1), (UseOf.SECRET, None)], id="the last counts"),
        pytest.param([], True, [(UseOf.CLIENT, None)] * 2, id="nobody asked"),
        pytest.param([], False, [(UseOf.UNKNOWN, None)] * 2, id="nobody knows"),
        pytest.param([request(3, None)], True, [(UseOf.CLIENT, 3)] * 2, id="the log has no hashes"),
        pytest.param([request(3, "other")], True, [(UseOf.CLIENT, 3)] * 2, id="the log has other hashes"),
        pytest.param(
            [request(9), request(3, "gone")],
            True,
            [(UseOf.SECRET, 9), (UseOf.SECRET, None)],
            id="a secret that is gone tells of no other",
        ),
        pytest.param([request(3, refused=True)], True, [(UseOf.CLIENT, None)] * 2, id="a refusal is no use"),
    ],
)
def test_a_last_use(found: list[Request], whole: bool, then: list[tuple[UseOf, float | None]]) -> None:
    told = uses([listed(1), listed(2)], *found, whole=whole)

    assert [(use.of, (NOON - use.at) / DAY if use.at else None) for use in told] == then
    assert [use.never for use in told] == [of is not UseOf.UNKNOWN and at is None for of, at in then]


def test_without_a_trail_nothing_is_known() -> None:
    (secret,) = holding_of(app(), [listed()], None, at=NOON).secrets

    assert (secret.used.of, secret.used.never, secret.tried_at) == (UseOf.UNKNOWN, False, None)


def test_what_was_asked_by_hash_is_known_whatever_else_is_not() -> None:
    trail = Trail(SINCE, (request(1),), whole=False)
    secrets = [listed(1), listed(2)]
    assert unseen_hashes(secrets, trail) == ("hash2",)

    more = trail.with_more(Requests((), whole=True), known=["hash2"])

    assert unseen_hashes(secrets, more) == ()
    assert holding_of(app(), secrets, more, at=NOON).secrets[1].used == LastUse(UseOf.SECRET, None, SINCE)


@pytest.mark.parametrize(
    ("found", "whole"),
    [
        pytest.param([request(1)], True, id="all was seen"),
        pytest.param([request(1, "other")], False, id="the log's hashes are others"),
        pytest.param([request(1, None)], False, id="the log has none"),
        pytest.param([request(1, refused=True)], False, id="it was only refused"),
    ],
)
def test_the_log_is_not_asked_for_hashes_in_vain(found: list[Request], whole: bool) -> None:
    assert unseen_hashes([listed(1), listed(2)], Trail(SINCE, tuple(found), whole)) == ()


@pytest.mark.parametrize(
    ("found", "then"),
    [
        pytest.param([request(3, None, refused=True)], 3, id="whose secret it was is not told"),
        pytest.param([request(3, "hash1", refused=True)], 3, id="it was this one"),
        pytest.param([request(3, "unknown", refused=True)], 3, id="it was one that is not listed"),
        pytest.param([request(3, "hash2", refused=True)], None, id="it was the other one"),
        pytest.param([request(60, None, refused=True)], None, id="it was before"),
        pytest.param([request(3, "hash2")], None, id="nobody was refused"),
    ],
)
def test_who_was_refused_since_a_secret_is_off(found: list[Request], then: float | None) -> None:
    trail = Trail(SINCE, tuple(found))
    off, on = holding_of(app(), [listed(1, active=False), listed(2)], trail, at=NOON).secrets

    assert off.tried_at == (NOON - then * DAY if then else None)
    assert on.tried_at is None


def test_refusals_are_asked_for_where_a_secret_is_off_and_none_was_seen() -> None:
    off, part = listed(1, active=False), Trail(SINCE, (request(1, "hash2"),), whole=False)

    assert refusals_unseen([off], part)
    assert not refusals_unseen([listed(1)], part)
    assert not refusals_unseen([off], replace(part, whole=True))
    assert not refusals_unseen([off], part.with_more(Requests((request(9, None, refused=True),), whole=True)))


def test_a_trail_is_of_one_client_under_either_name() -> None:
    both = [app("0oa1", client_id="billing"), app("0oa2")]
    found = [request(1, client="billing"), request(2, client="0oa1"), request(3, client="0oa2"), request(4, client="x")]

    first, second = trails_of(both, found, whole=[AppId("0oa2")], since=SINCE)

    assert ([each.at for each in first.found], first.whole) == ([NOON - DAY], False)
    assert ([each.at for each in second.found], second.whole) == ([NOON - 3 * DAY], True)


# --- Risk -----------------------------------------------------------------------------------------------------

YESTERDAY, NEVER = LastUse(UseOf.SECRET, NOON - DAY, SINCE), LastUse(UseOf.SECRET, None, SINCE)
KEPT = Keeper("billing", AUTO)


def held(age: float, *, status: SecretStatus = ACTIVE, off: float = 0, **changes: Any) -> HeldSecret:
    used = changes.pop("used", YESTERDAY)
    return HeldSecret(SecretId(f"ocs{age}"), status, NOON - age * DAY, NOON - off * DAY, used, **changes)


def entry(*secrets: HeldSecret, keeper: Keeper | None = KEPT, **changes: Any) -> Entry:
    return Entry("acme", app(**changes), keeper, Holding(AppId("0oa1"), NOON, secrets))


RISKS = [
    pytest.param(entry(held(5)), set(), id="a young one that is kept and used"),
    pytest.param(entry(held(5), keeper=None), {Hazard.UNMANAGED}, id="nobody keeps it"),
    pytest.param(entry(held(5), keeper=Keeper("b", AUTO, "it is new")), {Hazard.ONLY_OBSERVED}, id="only observed"),
    pytest.param(entry(held(90)), {Hazard.PAST_AGE}, id="at the policy's age"),
    pytest.param(entry(held(89)), {Hazard.CLOSE_TO_AGE}, id="close to it"),
    pytest.param(entry(held(76)), set(), id="not close yet"),
    pytest.param(entry(held(365)), {Hazard.PAST_AGE, Hazard.NOT_ROTATED}, id="a year"),
    pytest.param(entry(held(60), held(10)), {Hazard.TWO_ACTIVE, Hazard.NO_ROOM}, id="two, and no overlap"),
    pytest.param(entry(held(100), held(3)), set(), id="two in their overlap"),
    pytest.param(
        entry(held(60), held(3), keeper=None), {Hazard.UNMANAGED, Hazard.TWO_ACTIVE, Hazard.NO_ROOM}, id="two"
    ),
    pytest.param(entry(held(8, used=NEVER)), {Hazard.NEVER_USED}, id="never used"),
    pytest.param(entry(held(6, used=NEVER)), set(), id="not used yet"),
    pytest.param(entry(held(8, used=LastUse())), set(), id="nobody knows of its use"),
    pytest.param(entry(held(8, used=NEVER, status=INACTIVE), held(9)), {Hazard.NO_ROOM}, id="off and not used"),
    pytest.param(entry(held(5), status="INACTIVE"), {Hazard.APP_INACTIVE}, id="an inactive app"),
    pytest.param(entry(status="INACTIVE"), set(), id="an inactive app without a secret"),
    pytest.param(entry(held(50, status=INACTIVE, off=40)), {Hazard.LEFT_BEHIND}, id="off for long"),
    pytest.param(entry(held(50, status=INACTIVE, off=3)), set(), id="off since a moment ago"),
    pytest.param(
        entry(held(50, status=INACTIVE, off=3, tried_at=NOON - DAY)), {Hazard.TRIED_AFTER_OFF}, id="tried after off"
    ),
    pytest.param(Entry("acme", app(), KEPT), set(), id="not asked"),
]


@pytest.mark.parametrize(("given", "then"), RISKS)
def test_what_is_wrong(given: Entry, then: set[Hazard]) -> None:
    risk = judge(given, AUTO, NOON)

    assert {each.hazard for each in risk.findings} == then
    assert risk.score == sum(each.points for each in risk.findings)
    assert all(each.points > 0 and each.detail for each in risk.findings)
    assert [each.points for each in risk.findings] == sorted((each.points for each in risk.findings), reverse=True)


def told(given: Entry, hazard: Hazard) -> str:
    (found,) = [each.detail for each in judge(given, AUTO, NOON).findings if each.hazard is hazard]
    return found


def test_that_somebody_still_tries_one_that_is_off_weighs_most() -> None:
    tried = held(50, status=INACTIVE, off=3, tried_at=NOON - DAY)

    assert judge(entry(tried), AUTO, NOON).score == 40
    assert judge(entry(tried, held(200)), AUTO, NOON).findings[0].hazard is Hazard.TRIED_AFTER_OFF


def test_what_was_left_behind_is_named_and_what_is_in_use_is_not() -> None:
    found = told(entry(held(50, status=INACTIVE, off=40), held(60, off=60)), Hazard.LEFT_BEHIND)

    assert found == "ocs50 was switched off long ago and never deleted"


def test_of_two_active_ones_the_older_one_counts() -> None:
    assert told(entry(held(100), held(60)), Hazard.PAST_AGE).startswith("100 days old")


@pytest.mark.parametrize(
    ("since", "said"),
    [(timedelta(days=2), "2 days"), (timedelta(hours=47), "47 h"), (timedelta(hours=1), "1 h"),
     (timedelta(minutes=59), "less than an hour"), (-DAY, "less than an hour")],
)  # fmt: skip
def test_how_long_ago_is_told_in_days_hours_or_less(since: timedelta, said: str) -> None:
    secret = held(50, status=INACTIVE, off=3, tried_at=NOON - since)

    assert told(entry(secret), Hazard.TRIED_AFTER_OFF).endswith(f"a wrong secret {said} ago")


def test_every_hazard_has_a_check_and_a_case() -> None:
    found = [each.values for each in RISKS]
    covered = {hazard for _, hazards in found if isinstance(hazards, set) for hazard in hazards}

    assert covered == set(Hazard)
    assert len(CHECKS) == len(Hazard)


def test_the_longer_not_rotated_the_worse_and_not_without_end() -> None:
    scores = [judge(entry(held(years * 366)), AUTO, NOON).score for years in (1, 2, 3, 9)]

    assert scores == sorted(scores)
    assert scores[0] < scores[1] < scores[2] == scores[3]


def test_nobody_s_app_is_judged_by_the_usual_policy() -> None:
    strict = Policy(rotate_after=10 * DAY)

    hazards = {each.hazard for each in judge(entry(held(11), keeper=None), strict, NOON).findings}

    assert Hazard.PAST_AGE in hazards


def test_the_worst_come_first_and_equals_by_label() -> None:
    good, bad = entry(held(5), label="b"), entry(held(400), keeper=None, label="c")
    also_good = entry(held(5), label="A", app_id="0oa2")

    ordered = worst_first([good, also_good, bad], lambda each: judge(each, AUTO, NOON))

    assert [each.app.label for each in ordered] == ["c", "A", "b"]
    assert [judge(each, AUTO, NOON).level for each in ordered] == ["high", "none", "none"]


# --- Keepers --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Config:
    """What a configuration wants."""

    targets: tuple[Target, ...] = ()
    selections: tuple[Selection, ...] = ()
    sites: Sites = Sites({"acme": "acme.okta.com", "again": "acme.okta.com", "other": "other.okta.com"}, {})  # noqa: RUF009


def target(name: str = "billing", app_id: str = "0oa1", *, org: str = "acme", policy: Policy = AUTO) -> Target:
    path = KvPath("kv", "apps/{app_id}")
    return Target(name, org, "main", AppId(app_id), path, path, policy)


def selection(**changes: Any) -> Selection:
    like = target("services", "{app_id}", org=changes.pop("org", "acme"))
    return Selection("services", like, **{"label": "svc-*", **changes})


def kept(config: Config, *apps: App, members: tuple[Member, ...] = ()) -> dict[str, tuple[str, bool]]:
    found = keepers(config, "acme.okta.com", apps, members=members, now=NOON)
    return {app_id: (each.name, bool(each.only_observed)) for app_id, each in found.items()}


SVC = app("0oa2", label="svc-1")


@pytest.mark.parametrize(
    ("config", "then"),
    [
        pytest.param(Config((target(),)), {"0oa1": ("billing", False)}, id="a target"),
        pytest.param(Config((target(org="again"),)), {"0oa1": ("billing", False)}, id="by another alias"),
        pytest.param(Config((target(org="other"),)), {}, id="of another org"),
        pytest.param(Config((target(policy=Policy()),)), {"0oa1": ("billing", True)}, id="that observes"),
        pytest.param(
            Config((), (selection(newcomers=Newcomers.POLICY),)), {"0oa2": ("services/0oa2", False)}, id="a member"
        ),
        pytest.param(Config((), (selection(),)), {"0oa2": ("services/0oa2", True)}, id="a newcomer"),
        pytest.param(Config((), (selection(org="other"),)), {}, id="a selection of another org"),
        pytest.param(
            Config((), (selection(overrides={AppId("0oa2"): Policy()}, newcomers=Newcomers.POLICY),)),
            {"0oa2": ("services/0oa2", True)},
            id="an override",
        ),
        pytest.param(
            Config((target(app_id="0oa2"),), (selection(),)), {"0oa2": ("billing", False)}, id="the target comes first"
        ),
    ],
)
def test_who_keeps_it(config: Config, then: dict[str, tuple[str, bool]]) -> None:
    assert kept(config, app(), SVC) == then


def test_a_member_that_was_let_in_is_no_newcomer() -> None:
    member = Member("services", AppId("0oa2"), ClientId("0oa2"), "svc-1", NOON, newcomer=False, gone_since=NOON)

    assert kept(Config((), (selection(),)), SVC, members=(member,)) == {"0oa2": ("services/0oa2", False)}


def test_an_inactive_app_is_kept_by_no_selection() -> None:
    assert kept(Config((), (selection(),)), replace(SVC, status="INACTIVE")) == {}


# --- What is asked, and what it costs -------------------------------------------------------------------------


def test_apps_without_a_client_secret_are_not_asked() -> None:
    apps = [app(f"0oa{method.name}", auth_method=method) for method in AuthMethod]
    saml = app("0oaSaml", sign_on_mode="SAML_2_0")

    assert {each.id for each in with_secrets([*apps, saml])} == {"0oaBASIC", "0oaPOST", "0oaSECRET_JWT"}


def test_what_nobody_looks_after_is_asked_first() -> None:
    entries = [
        Entry("acme", app("1", status="INACTIVE")),
        Entry("acme", app("2"), KEPT),
        Entry("acme", app("3", created=NOON)),
        Entry("acme", app("4", created=NOON - DAY)),
    ]

    assert [each.app.id for each in in_order_of_asking(entries)] == ["4", "3", "2", "1"]


@pytest.mark.parametrize(
    ("which", "then"),
    [
        (Filter(), "123"),
        (Filter("svc-*"), "12"),
        (Filter(unmanaged=True), "13"),
        (Filter("svc-*", unmanaged=True), "1"),
    ],
)
def test_a_filter(which: Filter, then: str) -> None:
    entries = [
        Entry("acme", app("1", label="svc-1")),
        Entry("acme", app("2", label="svc-2"), KEPT),
        Entry("acme", app("3", label="Svc-3")),
    ]

    assert "".join(each.app.id for each in entries if which.means(each)) == then


def window(*, left: int, ours: int = 1, opens: timedelta = MINUTE / 2) -> Window:
    return Window(50, left, ours, 0, NOON + opens)


@pytest.mark.parametrize(
    ("listings", "seen", "each_minute", "takes"),
    [
        pytest.param(0, window(left=49), 20, timedelta(0), id="nothing"),
        pytest.param(19, window(left=49), 20, timedelta(seconds=9.5), id="what is ours of this window"),
        pytest.param(20, window(left=49), 20, timedelta(seconds=30.5), id="one more, in the next"),
        pytest.param(59, window(left=49), 20, timedelta(seconds=100), id="three windows"),
        pytest.param(20, window(left=19), 20, timedelta(seconds=36.5), id="others leave less"),
        pytest.param(10, window(left=0, ours=0), 20, timedelta(seconds=35), id="others leave nothing"),
        pytest.param(20, window(left=0, opens=-MINUTE), 20, timedelta(seconds=10), id="the window is over"),
        pytest.param(100, None, None, timedelta(seconds=50), id="no limit is told"),
    ],
)
def test_the_cost(listings: int, seen: Window | None, each_minute: int | None, takes: timedelta) -> None:
    cost = cost_of(listings, seen, share=0.4, now=NOON)

    assert (cost.listings, cost.each_minute, cost.takes) == (listings, each_minute, takes)
    assert cost.queries == -(-listings // 20)
