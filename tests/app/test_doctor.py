"""An examination, over ports: what is asked of whom, how often, and what is left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.doctor import FIRST_APPS, LONGEST_TURN, MOST_CALLS, RECENT, RETENTION, Clinic, OrgSide, examine
from rotator.app.doctor_vault import MOST_NEIGHBOURS
from rotator.core.budget import Share, haste
from rotator.core.diagnosis.evidence import Answer, Complaint, Document, Likeness, Sight, Subject, Trace, Traces
from rotator.core.model import AppId, AuthMethod, Destination, KvPath, Made, SecretId, Staging, StagingState
from rotator.core.records import staging_fields
from rotator.core.secret_value import SecretValue
from rotator.errors import RefusedError, UnavailableError
from tests.app.small_world import OLD, OTHER, Flaky, SmallWorld
from tests.fakes.okta import FakeOkta

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime, timedelta

    from rotator.core.diagnosis.evidence import Asked, Evidence
    from rotator.core.model import App, OktaSecret, Target

HOST, BETA = "https://acme.okta.com", "https://beta.okta.com"
ISSUER = f"{HOST}/oauth2/default"
AWAY, NO = UnavailableError("away"), RefusedError("you may not")
WRONG = Answer(401, "invalid_client", "The client secret supplied for a confidential client is invalid.")
UNKNOWN = Answer(401, "invalid_client", "Invalid value for 'client_id' parameter.")
TOKEN = Answer(200, token=True)


class Org(FakeOkta):
    """An org that counts its calls; `said` is what its log tells."""

    def __init__(self, small: SmallWorld) -> None:
        super().__init__(small.clock)
        self.calls: list[str] = []
        self.said = Traces((), whole=True)
        self.since: list[timedelta] = []
        self.shares: set[tuple[Share, timedelta]] = set()
        self.listed = 0
        self.hidden = ""  # the id of a secret whose value it does not show

    def _called(self, name: str) -> None:
        self.calls.append(name)
        self.shares.add((haste().share, haste().waits))

    async def get_app(self, app: AppId) -> App | None:
        self._called("get app")
        return await super().get_app(app)

    async def list_secrets(self, app: AppId) -> tuple[OktaSecret, ...]:
        self._called("list")
        listed = await super().list_secrets(app)
        return tuple(replace(each, value=None) if each.id == self.hidden else each for each in listed)

    async def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        self._called("apps")
        async for app in super().list_apps():
            self.listed += 1
            yield app

    async def traces(self, app: App, value: SecretValue, since: datetime) -> Traces:
        self._called("traces")
        self.since.append(self._clock.now() - since)
        return self.said

    async def requests(self, app: App, since: datetime) -> Traces:
        self._called("requests")
        self.since.append(self._clock.now() - since)
        return self.said


@dataclass
class Doors:
    """What is published, and the token endpoint."""

    answer: Answer = WRONG
    asked: list[Asked] = field(default_factory=list)
    shown: list[SecretValue] = field(default_factory=list)
    read: list[str] = field(default_factory=list)
    published: dict[str, Document] = field(default_factory=dict)

    async def ask(self, asked: Asked, value: SecretValue) -> Answer:
        self.asked.append(asked)
        self.shown.append(value)
        return self.answer

    async def document(self, issuer: str) -> Document:
        self.read.append(issuer)
        return self.published.get(issuer, Document(issuer, 200, json=True, issuer=issuer))


class Ward:
    """One target, whose app is at one of two orgs."""

    def __init__(self) -> None:
        self.small = SmallWorld()
        self.okta, self.beta, self.doors = Org(self.small), Org(self.small), Doors()
        self.flaky, self.flaky_kv = Flaky(self.okta), Flaky(self.small.kv)
        self.kv = self.small.kv
        self.okta.add_app("0oa1", OLD)
        self.target = self.small.target()
        self.put(OLD)
        self.opened: list[str] = []
        self.neighbours: list[Target] = []
        self.vault = True
        self.more: dict[str, Callable[[], OrgSide]] = {}

    def put(self, value: str, **fields: str) -> None:
        self.kv.by_hand.put(self.target.consumer, {"client_id": "0oa1", "client_secret": value} | fields)

    def open(self, url: str, org: Any) -> OrgSide:
        self.opened.append(url)
        return OrgSide(org, org)

    async def look(self, **said: Any) -> Evidence:
        """Examine the target; of whom nothing is said but an id: the client."""
        target = said.pop("target", self.target)
        subject = Subject("billing", org_url=said.pop("org_url", HOST if target else None), server="default")
        complaint = Complaint(subject, said.pop("issuer", ISSUER), target=target, **said)
        orgs = {HOST: lambda: self.open(HOST, self.flaky), BETA: lambda: self.open(BETA, self.beta)}
        orgs |= self.more
        kv = self.flaky_kv if self.vault else None
        return await examine(
            complaint, Clinic(self.doors, self.doors, self.small.clock, orgs, kv, tuple(self.neighbours))
        )

    @property
    def calls(self) -> int:
        """How many there were at Okta, with the request."""
        tokens = sum(self.doors.answer.token for _ in self.doors.asked)
        return len(self.okta.calls) + len(self.beta.calls) + len(self.doors.asked) + tokens


@pytest.fixture
def ward() -> Ward:
    return Ward()


async def test_a_refused_value_is_compared_and_looked_for_in_the_log(ward: Ward) -> None:
    ward.put(OTHER)

    seen = await ward.look()

    assert ward.okta.calls == ["get app", "list", "traces"]
    assert ward.okta.shares == {(Share.URGENT, LONGEST_TURN)}
    assert ward.okta.since == [RETENTION]
    assert (ward.calls, ward.doors.shown) == (MOST_CALLS, [SecretValue(OTHER)])
    assert (seen.sight, seen.answer, seen.unsent, seen.swapped) == (Sight.SEEN, WRONG, "", False)
    assert seen.slots
    assert [each.likeness for each in seen.slots] == [None]
    assert seen.values_hidden is False
    assert seen.vault
    assert [(each.number, each.same) for each in seen.vault.versions] == [(1, False), (2, True)]
    assert seen.log
    assert seen.log.whole


async def test_one_that_is_listed_needs_no_log(ward: Ward) -> None:
    seen = await ward.look()

    assert ward.okta.calls == ["get app", "list"]
    assert seen.slots
    assert (seen.slots[0].likeness, seen.log) == (Likeness(), None)


async def test_one_that_a_neighbour_holds_needs_no_log(ward: Ward) -> None:
    ward.put(OTHER)
    ward.neighbours = [ward.small.target(f"t{n}", app_id=f"0ob{n}") for n in range(MOST_NEIGHBOURS + 1)]
    ward.kv.by_hand.put(ward.neighbours[-2].consumer, {"client_secret": OTHER})
    found = await ward.look()
    ward.kv.by_hand.put(ward.neighbours[-2].consumer, {"client_secret": OLD})
    ward.kv.by_hand.put(ward.neighbours[-1].consumer, {"client_secret": OTHER})
    too_far = await ward.look()

    assert (found.neighbour, too_far.neighbour) == (ward.neighbours[-2].name, None)
    assert ward.okta.calls == ["get app", "list", "get app", "list", "traces"]


async def test_a_neighbour_that_cannot_be_read_is_left_out(ward: Ward) -> None:
    ward.put(OTHER)
    ward.neighbours = [ward.small.target(f"t{n}", app_id=f"0ob{n}") for n in range(2)]
    for each in ward.neighbours:
        ward.kv.by_hand.put(each.consumer, {"client_secret": OTHER})
    ward.flaky_kv.fail("read", None, None, None, NO)  # the two versions and the record come first

    assert (await ward.look()).neighbour == "t1"


async def test_one_that_works_is_not_compared_and_others_failures_are_looked_for(ward: Ward) -> None:
    ward.doors.answer = TOKEN
    ward.okta.said = Traces(
        (Trace(ward.small.clock.now(), ours=False, who="job", refused="invalid_client_secret"),), whole=True
    )

    seen = await ward.look()

    assert ward.okta.calls == ["get app", "requests"]
    assert ward.okta.since == [RECENT]
    assert ward.calls == MOST_CALLS, "a token is revoked, which is a call"
    assert (seen.slots, len(seen.log.failures) if seen.log else None) == (None, 1)


async def test_what_is_in_the_log_is_what_became_of_the_value(ward: Ward) -> None:
    ward.put(OTHER)
    hashes = frozenset({SecretValue(OTHER).hash})
    ward.okta.said = Traces((Trace(ward.small.clock.now(), ours=True, deletion=True, hashes=hashes),), whole=False)

    seen = await ward.look()

    assert seen.log
    assert (seen.log.deleted, seen.log.whole) == (True, False)


@pytest.mark.parametrize("error", [AWAY, NO])
async def test_what_cannot_be_asked_is_told_and_left_out(ward: Ward, error: Exception) -> None:
    ward.put(OTHER)
    ward.flaky.fail("traces", error)
    no_log = await ward.look()
    ward.flaky.fail("list_secrets", error)
    no_list = await ward.look()
    ward.flaky.fail("get_app", error)
    nothing = await ward.look()

    assert (no_log.log, no_log.log_refused) == (None, str(error))
    assert (no_list.slots, no_list.okta_said, no_list.log) == (None, str(error), None)
    assert (nothing.sight, nothing.okta_said, nothing.app) == (Sight.UNREADABLE, str(error), None)
    assert nothing.answer == WRONG, "the request is made all the same"


async def test_an_app_without_a_secret_is_not_asked_for_any(ward: Ward) -> None:
    ward.okta.change_app(replace(ward.okta.app(), auth_method=AuthMethod.PRIVATE_KEY_JWT))

    seen = await ward.look()

    assert ward.okta.calls == ["get app"]
    assert (ward.doors.asked, "authenticates by private_key_jwt" in seen.unsent) == ([], True)


async def test_what_shows_itself_wrong_is_not_sent(ward: Ward) -> None:
    ward.put("0oa1", client_id=OTHER)

    seen = await ward.look()

    assert (seen.swapped, ward.doors.asked) == (True, [])
    assert "a client id" in seen.unsent


# --- which client it is -----------------------------------------------------------------------------------------


async def given(ward: Ward, client_id: str = "0oa1", **said: Any) -> Evidence:
    """Examine a client that no target is of."""
    ward.vault = False
    return await ward.look(target=None, client_id=client_id, value=SecretValue(OLD), **said)


async def test_a_client_is_looked_up_at_the_org_that_is_meant(ward: Ward) -> None:
    seen = await given(ward)

    assert (seen.sight, seen.subject.org_url, ward.opened) == (Sight.SEEN, HOST, [HOST])
    assert seen.app
    assert seen.app.id == "0oa1"


async def test_an_org_that_is_not_ours_is_not_asked(ward: Ward) -> None:
    seen = await given(ward, issuer="https://other.okta.com/oauth2/default")

    assert (seen.sight, ward.opened, len(ward.doors.asked)) == (Sight.UNASKED, [], 1)


async def test_a_custom_domain_leads_to_the_org_that_its_document_names(ward: Ward) -> None:
    own = "https://login.acme.com/oauth2/default"
    ward.doors.published[own] = Document(own, 200, json=True, issuer=ISSUER)

    assert (await given(ward, issuer=own)).subject.org_url == HOST


async def test_without_an_id_no_app_is_looked_up(ward: Ward) -> None:
    seen = await given(ward, client_id=" ")

    assert (seen.sight, ward.opened) == (Sight.UNASKED, [])


async def test_an_app_whose_id_is_another_ones_client_id_is_not_meant(ward: Ward) -> None:
    ward.okta.change_app(replace(ward.okta.app(), client_id="client1"))  # type: ignore[arg-type]

    seen = await given(ward)
    of_target = await ward.look()

    assert (seen.app, seen.sight) == (None, Sight.UNSEEN)
    assert of_target.app is not None, "of a target the app is named"


async def test_a_client_that_is_not_known_is_looked_for_at_the_other_orgs(ward: Ward) -> None:
    ward.doors.answer = UNKNOWN
    ward.beta.add_app("0oa7", OLD)

    seen = await given(ward, client_id="0oa7")

    assert (seen.elsewhere, seen.nearest, ward.opened) == (BETA, None, [HOST, BETA])
    assert (ward.okta.calls, ward.beta.calls) == (["get app"], ["get app"])


async def test_no_more_orgs_are_asked_than_leave_a_call_for_the_list(ward: Ward) -> None:
    ward.doors.answer = UNKNOWN
    third = Org(ward.small)
    third.add_app("0oa7", OLD)
    ward.more["https://gamma.okta.com"] = lambda: ward.open("https://gamma.okta.com", third)

    seen = await given(ward, client_id="0oa7")

    assert (seen.elsewhere, third.calls, ward.okta.calls) == (None, [], ["get app", "apps"])
    assert ward.calls == MOST_CALLS


async def test_one_that_is_like_it_is_named(ward: Ward) -> None:
    ward.doors.answer = UNKNOWN
    typed, meant = "0oa2example2example3", "0oa2example2example2"
    ward.okta.add_app(meant, OLD)

    seen = await given(ward, client_id=typed)

    assert (seen.elsewhere, seen.nearest) == (None, meant)
    assert (ward.okta.calls, ward.beta.calls) == (["get app", "apps"], ["get app"])
    assert ward.calls == MOST_CALLS


async def test_of_many_apps_the_first_are_looked_at(ward: Ward) -> None:
    ward.doors.answer = UNKNOWN
    for number in range(FIRST_APPS + 9):
        ward.okta.add_app(f"0ox{number:05}")

    assert (await given(ward, client_id="0oa2")).nearest is None
    assert ward.okta.listed == FIRST_APPS


@pytest.mark.parametrize("error", [AWAY, NO])
async def test_another_org_s_trouble_is_not_this_client_s(ward: Ward, error: Exception) -> None:
    ward.doors.answer = UNKNOWN

    class Ailing(Org):
        async def get_app(self, app: AppId) -> App | None:
            raise error

    ward.beta = Ailing(ward.small)
    seen = await given(ward, client_id="0oa2")

    assert (seen.elsewhere, seen.okta_said, seen.sight) == (None, "", Sight.UNSEEN)


async def test_of_one_that_is_known_nobody_else_is_asked(ward: Ward) -> None:
    for answer in (WRONG, TOKEN):
        ward.doors.answer = answer
        await given(ward, client_id="0oa2")
    ward.doors.answer = UNKNOWN
    await given(ward)

    assert Counter(ward.opened) == {HOST: 3}


# --- where it asks ----------------------------------------------------------------------------------------------


async def test_the_documents_of_both_addresses_are_read(ward: Ward) -> None:
    seen = await ward.look(authorize_url=f"{BETA}/oauth2/default/v1/authorize")

    assert ward.doors.read == [ISSUER, f"{BETA}/oauth2/default"]
    assert seen.authorize
    assert (seen.document.address if seen.document else None, seen.authorize.address) == (ISSUER, ward.doors.read[1])
    assert seen.others == ()


async def test_of_the_org_s_own_server_others_are_looked_for(ward: Ward) -> None:
    seen = await ward.look(issuer=HOST)

    assert ward.doors.read == [HOST, ISSUER]
    assert ([each.address for each in seen.others], seen.authorize) == ([ISSUER], None)


# --- what consumers read ----------------------------------------------------------------------------------------


async def test_a_path_that_was_never_written_holds_nothing(ward: Ward) -> None:
    ward.target = replace(ward.target, consumer=KvPath("kv", "nothing"))

    seen = await ward.look()

    assert seen.unsent == "kv/nothing holds nothing: no version was ever written"
    assert seen.vault
    assert (seen.vault.latest, seen.vault.deleted, ward.doors.asked) == (0, None, [])


@pytest.mark.parametrize(("destroyed", "deleted"), [(False, 1), (True, None)])
async def test_a_version_that_is_deleted_can_be_brought_back_unless_it_is_destroyed(
    ward: Ward, destroyed: bool, deleted: int | None
) -> None:
    (ward.kv.by_hand.destroy if destroyed else ward.kv.by_hand.delete)(ward.target.consumer, 1)

    seen = await ward.look()

    assert seen.unsent == "version 1 of kv/billing/okta is deleted"
    assert seen.vault
    assert (seen.vault.latest, seen.vault.deleted) == (1, deleted)


async def test_a_version_without_the_field_says_which_there_are(ward: Ward) -> None:
    ward.kv.by_hand.put(ward.target.consumer, {"note": "x", "client_id": "0oa1"})
    some = await ward.look()
    ward.kv.by_hand.put(ward.target.consumer, {})
    none = await ward.look()

    assert some.unsent == "version 2 of kv/billing/okta has no `client_secret`, but `client_id`, `note`"
    assert none.unsent == "version 3 of kv/billing/okta has no `client_secret`, but no field at all"
    assert some.vault
    assert (some.vault.client_id, some.vault.deleted) == ("0oa1", None)


async def test_a_secret_that_was_given_counts_and_vault_is_only_compared(ward: Ward) -> None:
    ward.kv.by_hand.delete(ward.target.consumer, 1)

    seen = await ward.look(value=SecretValue(OTHER))

    assert ward.doors.shown == [SecretValue(OTHER)]
    assert seen.vault
    assert (seen.vault.missing, seen.vault.deleted) == ("", None)


async def test_a_vault_that_is_away_matters_only_where_no_secret_was_given(ward: Ward) -> None:
    ward.flaky_kv.fail("read_metadata", AWAY)
    with pytest.raises(UnavailableError):
        await ward.look()
    ward.flaky_kv.fail("read_metadata", AWAY)

    seen = await ward.look(value=SecretValue(OTHER))

    assert (seen.vault, seen.answer) == (None, WRONG)
    assert seen.slots is not None


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        (None, "holds nothing that can be read"),
        ({"note": "x"}, "has no `client_secret` in version 1"),
        ({"client_secret": OTHER}, "holds another secret in version 1"),
        ({"client_secret": OLD}, None),
    ],
)
async def test_the_other_paths_are_compared(ward: Ward, fields: dict[str, str] | None, what: str | None) -> None:
    path = KvPath("kv", "billing/reports")
    ward.target = replace(ward.target, also=(Destination(path),))
    if fields is not None:
        ward.kv.by_hand.put(path, fields)

    seen = await ward.look()

    assert seen.vault
    assert [(each.path, each.holds) for each in seen.vault.behind] == ([(path, what)] if what else [])


async def test_another_path_that_cannot_be_read_says_so(ward: Ward) -> None:
    ward.target = replace(ward.target, also=(Destination(KvPath("kv", "billing/reports")),))
    ward.flaky_kv.fail("read", None, NO)

    seen = await ward.look()

    assert seen.vault
    assert [each.holds for each in seen.vault.behind] == ["cannot be read (you may not)"]


@pytest.mark.parametrize(
    ("state", "value", "made", "then"),
    [
        (StagingState.STAGED, OTHER, OTHER, (True, True)),
        (StagingState.STAGED, "y" * 40, OTHER, (False, True)),
        (StagingState.DISCARDING, OTHER, "y" * 40, (False, False)),
    ],
)
async def test_what_is_staged_and_what_we_made_is_known(
    ward: Ward, state: StagingState, value: str, made: str, then: tuple[bool, bool]
) -> None:
    ward.put(OTHER)
    now = ward.small.clock.now()
    record = Staging(state=state, value=SecretValue(value), staged_at=now, made=(Made(SecretValue(made).hash, now),))
    await ward.kv.write(ward.target.staging, staging_fields(record), cas=0)

    seen = await ward.look()

    assert seen.vault
    assert (seen.vault.staged, seen.vault.made) == then


async def test_without_a_record_nothing_is_staged_and_nothing_was_made(ward: Ward) -> None:
    ward.put(OTHER)

    seen = await ward.look()

    assert seen.vault
    assert (seen.vault.staged, seen.vault.made) == (False, False)


async def test_one_hidden_value_is_enough_for_what_is_not_found_to_be_in_doubt(ward: Ward) -> None:
    ward.put(OTHER)
    ward.okta.hidden = (await ward.okta.create_secret(AppId("0oa1"), SecretValue("h" * 40))).id

    seen = await ward.look()

    assert seen.values_hidden


async def test_a_record_that_is_none_of_ours_tells_nothing(ward: Ward) -> None:
    ward.put(OTHER)
    ward.kv.by_hand.put(ward.target.staging, {"state": "elsewhere"})

    seen = await ward.look()

    assert seen.vault
    assert (seen.vault.staged, seen.vault.made) == (False, False)


async def test_versions_that_are_deleted_are_not_compared(ward: Ward) -> None:
    for value in (OTHER, OLD):
        ward.put(value)
    ward.kv.by_hand.delete(ward.target.consumer, 2)

    seen = await ward.look()

    assert seen.vault
    old = SecretId(ward.okta.held()[0].id)
    assert [(each.number, each.same, each.holds) for each in seen.vault.versions] == [(1, True, old), (3, True, old)]
