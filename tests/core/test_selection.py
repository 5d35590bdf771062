"""What a listing changes: who becomes a member, who is gone, and which listings are not believed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core.membership import Kind, Notice, Selected, let_in, next_members, put_off, unlisted
from rotator.core.model import App, AppId, AuthMethod, ClientId, Destination, FieldNames, KvPath, Mode, Policy, Target
from rotator.core.selection import Member, Newcomers, Selection, targets_of
from rotator.core.sharing import Sites, VaultSite
from rotator.errors import RefusedError, UnavailableError
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from collections.abc import Iterable

LATER = NOON + timedelta(hours=1)
LATEST = NOON + timedelta(hours=2)
AUTO = Policy(name="prod", mode=Mode.AUTO)
TEMPLATE = Target(
    name="services",
    org="acme",
    vault="main",
    app_id=AppId("{app_id}"),
    consumer=KvPath("kv", "apps/{app_id}/okta"),
    staging=KvPath("secret", "rotator/staging/acme.okta.com/{app_id}"),
    policy=AUTO,
)
SERVICES = Selection("services", TEMPLATE, label="svc-*")
SITES = Sites(
    {"acme": "acme.okta.com", "alias": "acme.okta.com", "beta": "beta.okta.com"},
    {
        "main": VaultSite("https://vault", None, KvPath("secret", "rotator/staging")),
        "other": VaultSite("https://vault", None, KvPath("kv", "wiped")),
    },
)


def app(number: int | str, label: str | None = None, **traits: Any) -> App:
    app_id = f"0oa{number}"
    plain = App(
        id=AppId(app_id),
        label=f"svc-{number}" if label is None else label,
        status="ACTIVE",
        sign_on_mode="OPENID_CONNECT",
        client_id=ClientId(app_id),
        auth_method=AuthMethod.BASIC,
        application_type="service",
        grant_types=frozenset(),
        dpop_bound=False,
    )
    return replace(plain, **traits)


def apps(*numbers: int) -> list[App]:
    return [app(number) for number in numbers]


def member(number: int, selection: str = "services", **traits: Any) -> Member:
    app_id = f"0oa{number}"
    plain = Member(selection, AppId(app_id), ClientId(app_id), f"svc-{number}", NOON, newcomer=False)
    return replace(plain, **traits)


def members(*numbers: int) -> list[Member]:
    return [member(number) for number in numbers]


def kinds(selected: Selected) -> list[Kind]:
    return [notice.kind for notice in selected.notices]


def only(selected: Selected, kind: Kind) -> Notice:
    (found,) = [notice for notice in selected.notices if notice.kind is kind]
    return found


def observed(selected: Selected, selection: Selection = SERVICES) -> list[str]:
    return [each.app_id for each in selected.members if selection.target_of(each).policy.mode is Mode.OBSERVE]


class Wishes:
    """What a configuration wants."""

    def __init__(self, selections: Iterable[Selection] = (SERVICES,), targets: Iterable[Target] = ()) -> None:
        self.selections, self.targets, self.sites = tuple(selections), tuple(targets), SITES


# --- Who is meant ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "means"),
    [
        pytest.param("svc-billing", True, id="what the star stands for"),
        pytest.param("SVC-billing", False, id="capitals count"),
        pytest.param("my svc-billing", False, id="the pattern is for the whole label"),
        pytest.param("svc-\n", True, id="a label is whatever people write"),
    ],
)
def test_a_pattern_is_one_of_a_shell(label: str, means: bool) -> None:
    assert SERVICES.means(AppId("0oa1"), label) is means


def test_a_list_of_ids_means_those_whatever_their_labels() -> None:
    listed = Selection("services", TEMPLATE, apps=frozenset({AppId("0oa1")}))

    assert listed.means(AppId("0oa1"), "renamed")
    assert not listed.means(AppId("0oa2"), "svc-2")


@pytest.mark.parametrize(
    "unfit",
    [
        pytest.param(app(2, auth_method=AuthMethod.PRIVATE_KEY_JWT), id="a key instead of a secret"),
        pytest.param(app(2, auth_method=AuthMethod.NONE), id="a public client"),
        pytest.param(app(2, sign_on_mode="SAML_2_0"), id="not OpenID Connect"),
        pytest.param(app(2, client_id=ClientId("../wherever")), id="a client id that no path may have"),
        pytest.param(app(2, client_id=ClientId("..")), id="a client id that climbs"),
    ],
)
def test_an_app_that_cannot_be_rotated_is_counted_and_no_member(unfit: App) -> None:
    after = next_members(SERVICES, [app(1), unfit], known=(), now=NOON)

    assert [each.app_id for each in after.members] == ["0oa1"]
    assert only(after, Kind.PASSED_OVER).detail == "no secret to rotate in 1 of those that match: svc-2 (0oa2)"


def test_an_inactive_app_is_neither_a_member_nor_worth_a_word() -> None:
    after = next_members(SERVICES, [app(1), app(2, status="INACTIVE")], known=members(1), now=LATER)

    assert after == Selected(tuple(members(1)))


def test_ids_that_okta_does_not_show_are_told() -> None:
    listed = Selection("services", TEMPLATE, apps=frozenset({AppId("0oa1"), AppId("0oa9")}))

    assert only(next_members(listed, [app(1)], known=(), now=NOON), Kind.NOT_FOUND).detail == "Okta shows no app 0oa9"


def test_two_apps_of_one_label_are_two_members() -> None:
    after = next_members(SERVICES, [app(1, "svc-same"), app(2, "svc-same")], known=(), now=NOON)
    first, second = targets_of(Wishes(), after.members)

    assert (first.name, second.name) == ("services/0oa1", "services/0oa2")
    assert (str(first.consumer), str(second.consumer)) == ("kv/apps/0oa1/okta", "kv/apps/0oa2/okta")
    assert (first.conflict, second.conflict) == (None, None)


def test_a_selection_that_matches_nothing_says_so() -> None:
    assert kinds(next_members(SERVICES, [app(1, "other")], known=(), now=NOON)) == [Kind.NOTHING]


# --- Newcomers ------------------------------------------------------------------------------------------------


def test_all_whom_the_first_listing_brings_are_only_observed() -> None:
    after = next_members(SERVICES, apps(1, 2), known=(), now=NOON)

    assert observed(after) == ["0oa1", "0oa2"]
    assert "2 new: svc-1 (0oa1), svc-2 (0oa2)" in only(after, Kind.CHANGED).detail
    assert "rotator resume services" in only(after, Kind.CHANGED).hint


def test_a_selection_may_treat_newcomers_as_its_policy_says() -> None:
    after = next_members(replace(SERVICES, newcomers=Newcomers.POLICY), apps(1), known=(), now=NOON)

    assert observed(after) == []
    assert only(after, Kind.CHANGED).hint == ""


def test_who_is_let_in_is_treated_as_the_policy_says_and_stays_so() -> None:
    newcomers = next_members(SERVICES, apps(1, 2), known=(), now=NOON).members
    (changed,) = let_in(newcomers, ["services/0oa1"])
    after = next_members(SERVICES, apps(1, 2), known=[changed, newcomers[1]], now=LATER)

    assert observed(after) == ["0oa2"]
    assert kinds(after) == []


@pytest.mark.parametrize(
    ("names", "changed"),
    [
        pytest.param(["services/0oa1"], ["0oa1"], id="by its name"),
        pytest.param(["0oa1"], ["0oa1"], id="by its app's id"),
        pytest.param(["services"], ["0oa1", "0oa2"], id="all of a selection, but not who is gone"),
        pytest.param(["services/0oa3"], ["0oa3"], id="who is gone, by name"),
        pytest.param(["services/0oa4"], [], id="who is in already"),
        pytest.param(["other"], [], id="another selection"),
    ],
)
def test_a_person_lets_in_whom_they_name(names: list[str], changed: list[str]) -> None:
    known = [
        member(1, newcomer=True),
        member(2, newcomer=True),
        member(3, newcomer=True, gone_since=NOON),
        member(4),
    ]
    after = let_in(known, names)

    assert [each.app_id for each in after] == changed
    assert not any(each.newcomer for each in after)


def test_an_override_is_for_one_app() -> None:
    manual = replace(AUTO, mode=Mode.MANUAL)
    selection = replace(SERVICES, overrides={AppId("0oa2"): manual})

    assert selection.target_of(member(1)).policy == AUTO
    assert selection.target_of(member(2)).policy == manual
    assert selection.target_of(member(2, newcomer=True)).policy == replace(manual, mode=Mode.OBSERVE)


# --- Who is gone ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param([app(2, "renamed")], id="renamed"),
        pytest.param([app(2, status="INACTIVE")], id="inactive"),
        pytest.param([app(2, auth_method=AuthMethod.PRIVATE_KEY_JWT)], id="a key instead of a secret"),
        pytest.param([], id="not shown"),
    ],
)
def test_who_does_not_match_any_more_is_only_observed_and_told_once(listed: list[App]) -> None:
    after = next_members(SERVICES, [app(1), *listed], known=members(1, 2), now=LATER)
    again = next_members(SERVICES, [app(1), *listed], known=after.members, now=LATEST)

    assert observed(after) == ["0oa2"]
    assert "1 gone: svc-2 (0oa2)" in only(after, Kind.CHANGED).detail
    assert again.members == after.members
    assert Kind.CHANGED not in kinds(again)


@pytest.mark.parametrize("newcomer", [True, False])
def test_who_comes_back_is_as_it_was_before(newcomer: bool) -> None:
    before = member(2, newcomer=newcomer)
    gone = next_members(SERVICES, apps(1), known=[member(1), before], now=LATER).members
    after = next_members(SERVICES, apps(1, 2), known=gone, now=LATEST)

    assert after.members == (member(1), before)
    assert only(after, Kind.CHANGED).detail == "1 back: svc-2 (0oa2)"


def test_a_new_label_that_matches_as_well_is_no_change_for_anybody() -> None:
    after = next_members(SERVICES, [app(1, "svc-renamed")], known=members(1), now=LATER)

    assert after == Selected((member(1, label="svc-renamed"),))


def test_the_ids_that_build_a_path_stay_as_they_were() -> None:
    after = next_members(SERVICES, [app(1, client_id=ClientId("another"))], known=members(1), now=LATER)

    assert after.members == (member(1),)


# --- Which listings are not believed --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("known", "missing", "believed"),
    [
        pytest.param(10, 3, True, id="three of ten"),
        pytest.param(10, 4, False, id="four of ten"),
        pytest.param(2, 1, True, id="one of two is just one"),
        pytest.param(2, 2, False, id="two of two"),
        pytest.param(1, 1, True, id="the only one"),
        pytest.param(7, 2, True, id="two of seven"),
        pytest.param(6, 2, False, id="two of six"),
    ],
)
def test_too_many_that_are_missing_at_once_are_not_believed_to_be_gone(
    known: int, missing: int, believed: bool
) -> None:
    there = [app("elsewhere", "other"), *apps(*range(missing, known))]
    after = next_members(SERVICES, there, known=members(*range(known)), now=LATER)

    assert (Kind.NOT_BELIEVED not in kinds(after)) is believed
    assert len(observed(after)) == (missing if believed else known)


def test_an_empty_list_is_not_all_gone() -> None:
    after = next_members(SERVICES, [], known=members(1), now=LATER)

    assert kinds(after) == [Kind.NOT_BELIEVED]
    assert observed(after) == ["0oa1"]
    assert only(after, Kind.NOT_BELIEVED).detail == "the list is empty; members so far: 1"
    assert "role" in only(after, Kind.NOT_BELIEVED).hint


def test_nobody_joins_by_a_listing_that_is_not_believed() -> None:
    after = next_members(SERVICES, apps(3), known=members(1, 2), now=LATER)

    assert [each.app_id for each in after.members] == ["0oa1", "0oa2"]


def test_it_is_the_same_notice_as_long_as_it_stays_so() -> None:
    first = next_members(SERVICES, apps(1), known=members(1, 2, 3), now=LATER)
    second = next_members(SERVICES, apps(1), known=first.members, now=LATEST)

    assert second == first


def test_all_go_on_once_a_listing_is_plausible_again() -> None:
    doubted = next_members(SERVICES, [], known=members(1, 2, 3), now=LATER).members
    after = next_members(SERVICES, apps(1, 2, 3), known=doubted, now=LATEST)

    assert after.members == tuple(members(1, 2, 3))
    assert kinds(after) == [Kind.BELIEVED]


def test_who_is_still_missing_then_is_gone() -> None:
    doubted = next_members(SERVICES, apps(1), known=members(1, 2, 3, 4), now=LATER).members
    after = next_members(SERVICES, apps(1, 2, 3), known=doubted, now=LATEST)

    assert observed(after) == ["0oa4"]
    assert only(after, Kind.CHANGED).detail == "1 gone: svc-4 (0oa4)"


def test_a_person_believes_a_listing_and_who_was_missing_is_gone() -> None:
    doubted = next_members(SERVICES, apps(1), known=members(1, 2, 3), now=LATER).members
    believed = let_in(doubted, ["services"])
    after = next_members(SERVICES, apps(1), known=believed, now=LATEST)

    assert observed(after) == ["0oa2", "0oa3"]
    assert kinds(after) == []


def test_who_believes_a_listing_lets_nobody_in() -> None:
    known = [member(1), member(2), member(3), member(4, newcomer=True)]
    doubted = next_members(SERVICES, apps(4), known=known, now=LATER).members
    believed = let_in(doubted, ["services"])

    assert [each.newcomer for each in believed] == [False, False, False, True]
    assert all(each.doubted_since is None for each in believed)


def test_an_org_that_was_emptied_on_purpose_is_doubted_only_once() -> None:
    doubted = next_members(SERVICES, [], known=members(1, 2), now=LATER).members
    believed = let_in(doubted, ["services"])
    gone = [replace(each, gone_since=each.gone_since or LATER) for each in believed]

    assert Kind.NOT_BELIEVED not in kinds(next_members(SERVICES, [], known=gone, now=LATEST))


def test_who_is_not_meant_any_more_has_not_vanished() -> None:
    narrowed = replace(SERVICES, label="svc-1*")
    after = next_members(narrowed, apps(1, 2, 3), known=members(1, 2, 3), now=LATER)

    assert observed(after, narrowed) == ["0oa2", "0oa3"]
    assert kinds(after) == [Kind.CHANGED]


def test_a_listing_that_is_refused_has_all_only_observe() -> None:
    error = RefusedError("You do not have permission", code="E0000006", hint="Give it the role.")
    after = unlisted(SERVICES, error, known=members(1, 2), now=LATER)
    again = unlisted(SERVICES, error, known=after.members, now=LATEST)
    back = next_members(SERVICES, apps(1, 2), known=again.members, now=LATEST)

    assert observed(after) == ["0oa1", "0oa2"]
    assert kinds(after) == [Kind.NOT_BELIEVED]
    assert after.notices[0].hint == "Give it the role. Until then its members are only observed."
    assert again == after
    assert back.members == tuple(members(1, 2))


def test_an_org_that_cannot_be_asked_changes_nothing() -> None:
    error = UnavailableError("no answer")

    assert put_off(SERVICES, error, known=members(1, 2)).members == tuple(members(1, 2))
    other = UnavailableError("no answer at 12:01", hint="Wait until 12:02.")
    assert put_off(SERVICES, error, known=()) == put_off(SERVICES, other, known=())


def test_more_matches_than_are_allowed_change_nothing() -> None:
    narrow = replace(SERVICES, max_matches=2)
    after = next_members(narrow, apps(1, 2, 3), known=members(1), now=LATER)

    assert after.members == tuple(members(1))
    assert observed(after, narrow) == []
    assert kinds(after) == [Kind.REFUSED]
    assert isinstance(after.notices[0].error, RefusedError)
    assert kinds(next_members(narrow, apps(1, 2), known=members(1), now=LATER)) == [Kind.CHANGED]


# --- As targets -----------------------------------------------------------------------------------------------


def test_a_member_is_a_target_like_the_others_but_for_its_ids() -> None:
    by_client = replace(SERVICES, target=replace(TEMPLATE, consumer=KvPath("kv", "clients/{client_id}")))
    target = by_client.target_of(member(1, client_id=ClientId("billing")))

    assert target == replace(
        TEMPLATE,
        name="services/0oa1",
        app_id=AppId("0oa1"),
        consumer=KvPath("kv", "clients/billing"),
        staging=KvPath("secret", "rotator/staging/acme.okta.com/0oa1"),
    )


@pytest.mark.parametrize(
    ("traits", "why"),
    [
        pytest.param({}, "", id="not at all"),
        pytest.param({"newcomer": True}, "it is new; `rotator resume services/0oa1` lets it in", id="new"),
        pytest.param({"doubted_since": NOON}, "the list of apps is not believed; `rotator resume services` believes it",
                     id="a listing that is not believed"),
        pytest.param({"gone_since": NOON, "newcomer": True},
                     "its selection does not match it any more, as seen at 2026-11-23 12:00 UTC", id="gone"),
    ],
)  # fmt: skip
def test_a_target_says_why_it_is_only_observed(traits: dict[str, Any], why: str) -> None:
    target = SERVICES.target_of(member(1, **traits))

    assert target.only_observed == why
    assert (target.policy.mode is Mode.OBSERVE) is bool(why)


def named(number: int, path: str = "named/okta", org: str = "acme", also: str = "named/more") -> Target:
    return replace(
        TEMPLATE,
        name="named",
        org=org,
        app_id=AppId(f"0oa{number}"),
        consumer=KvPath("kv", path),
        also=(Destination(KvPath("kv", also)),),
    )


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param(named(1), "has the same app", id="one app"),
        pytest.param(named(1, org="alias"), "has the same app", id="one app, by another alias of the org"),
        pytest.param(named(2, "apps/0oa1/okta"), "writes to the same path", id="one path"),
        pytest.param(named(2, also="apps/0oa1/okta"), "writes to the same path", id="one path, beside others"),
    ],
)
def test_what_is_shared_with_a_target_is_known_on_both_sides(target: Target, says: str) -> None:
    first, second = targets_of(Wishes(targets=[target]), members(1))

    assert first.conflict == f"target `services/0oa1` {says}"
    assert second.conflict == f"target `named` {says}"


def test_an_app_of_two_selections_is_shared() -> None:
    wishes = Wishes([SERVICES, replace(SERVICES, name="twins", target=replace(TEMPLATE, name="twins"))])
    first, second = targets_of(wishes, [member(1), member(1, "twins")])

    assert (first.conflict, second.conflict) == (
        "target `twins/0oa1` has the same app",
        "target `services/0oa1` has the same app",
    )


def test_an_app_of_that_id_in_another_org_is_another_app() -> None:
    assert [each.conflict for each in targets_of(Wishes(targets=[named(1, org="beta")]), members(1))] == [None, None]


def test_who_is_gone_shares_nothing() -> None:
    target, gone = targets_of(Wishes(targets=[named(1)]), [member(1, gone_since=NOON)])

    assert (target.conflict, gone.conflict) == (None, None)
    assert gone.policy.mode is Mode.OBSERVE


def test_a_path_in_a_staging_area_is_wiped() -> None:
    climbing = replace(SERVICES, target=replace(TEMPLATE, consumer=KvPath("kv", "{client_id}/okta")))
    (target,) = targets_of(Wishes([climbing]), [member(1, client_id=ClientId("wiped"))])

    assert target.conflict == "its path lies in a staging area, which is wiped"


@pytest.mark.parametrize(
    ("template", "client_id", "path", "says"),
    [
        pytest.param("{client_id}/okta", "wiped", "wiped/okta", "its path lies in a staging area, which is wiped",
                     id="wiped"),
        pytest.param("apps/{client_id}/okta", "0oa1", "apps/0oa1/okta", "two of its paths are the same", id="twice"),
        pytest.param("more/{app_id}/{client_id}", "billing", "more/0oa1/billing", None, id="a path of its own"),
    ],
)  # fmt: skip
def test_every_path_of_a_member_is_filled_in_and_counts(
    template: str, client_id: str, path: str, says: str | None
) -> None:
    more = (Destination(KvPath("kv", template), FieldNames("ID")),)
    wishes = Wishes([replace(SERVICES, target=replace(TEMPLATE, also=more))])
    (target,) = targets_of(wishes, [member(1, client_id=ClientId(client_id))])

    assert target.also == (Destination(KvPath("kv", path), FieldNames("ID")),)
    assert target.conflict == says


def test_a_member_with_another_policy_has_the_hooks_of_that_one() -> None:
    hooked = replace(SERVICES, target=replace(TEMPLATE, hooks=("tell",)), hooks={AppId("0oa2"): ("other",)})

    assert [each.hooks for each in targets_of(Wishes([hooked]), members(1, 2))] == [("tell",), ("other",)]


def test_members_of_a_selection_that_is_no_more_are_no_targets() -> None:
    assert targets_of(Wishes(), [member(1, "former")]) == ()
