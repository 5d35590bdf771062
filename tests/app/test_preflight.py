"""The pre-flight's questions: which are asked, how often, and which are not once one before them failed."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import pytest

from rotator.app.limits import limit_of
from rotator.app.preflight import AT_ONCE, PROBE, TARGETS_FOR_A_PAGE, Effort, OrgWay, VaultWay, Ways, preflight
from rotator.core import vault_rights
from rotator.core.budget import Shares, Window
from rotator.core.model import AppId, Destination, KvPath
from rotator.core.preflight import Check
from rotator.core.preflight_facts import Handshake, MountDefaults, NoTls, ServerMetadata, TokenLife, VaultHealth
from rotator.core.preflight_said import Verdict
from rotator.core.usage import Usage
from rotator.errors import ConfigError, RefusedError, RotatorError, UnavailableError
from tests.app.small_world import SmallWorld
from tests.fakes.okta import NOON, FakeOkta, ManualClock
from tests.fakes.vault import FakeKv

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from datetime import datetime

    from rotator.core.changes import Heard
    from rotator.core.model import App, KvMetadata, Target
    from rotator.core.preflight import Finding

T = TypeVar("T")
DAY = timedelta(days=1)
AWAY = UnavailableError("nobody answers")
NO = RefusedError("403 no", code="403")
TLS = Handshake("TLSv1.3", NOON + 90 * DAY)
SCOPES = frozenset({"okta.apps.read", "okta.apps.manage", "okta.logs.read"})
HEALTH = VaultHealth(initialized=True, sealed=False, standby=False, version="1.21", at=NOON)
TOKEN = TokenLife(timedelta(minutes=20), renewable=True, periodic=False, uses=0, policies=frozenset({"rotator"}))


@dataclass
class Answers:
    """What is asked, in order, and what goes wrong; `most` is how many were asked at the same time."""

    wrong: dict[str, RotatorError] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    most: int = 0
    _now: int = 0

    async def say(self, what: str, answer: T) -> T:
        self.asked.append(what)
        self._now += 1
        self.most = max(self.most, self._now)
        await asyncio.sleep(0)
        self._now -= 1
        if what in self.wrong:
            raise self.wrong[what]
        return answer


class Org(FakeOkta):
    """One org as the pre-flight meets it: a page holds so many apps."""

    page = 1000

    def __init__(self, clock: ManualClock, answers: Answers) -> None:
        super().__init__(clock)
        self.answers = answers
        self.clock = clock
        self.seen: Window | None = Window(limit=50, left=49, ours=1, resets=0, opens=NOON)
        self.late = timedelta(0)  # until the first answer

    async def handshake(self) -> Handshake | NoTls:
        return await self.answers.say("okta handshake", TLS)

    async def metadata(self, server: str | None = None) -> ServerMetadata:
        known = frozenset({"client_credentials"}), frozenset({"billing.read"}), frozenset({"client_secret_basic"})
        at = self.clock.now()
        self.clock.advance(self.late)
        return await self.answers.say(f"metadata {server}", ServerMetadata("https://acme", *known, at + self.late))

    async def sign_in(self) -> frozenset[str]:
        return await self.answers.say("okta sign in", SCOPES)

    def window(self) -> Window | None:
        return self.seen

    async def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        await self.answers.say(f"apps {pages}", None)
        left = self.page * (pages or 1)
        async for app in super().list_apps():
            left -= 1
            if left < 0:
                return
            yield app

    async def get_app(self, app: AppId) -> App | None:
        return await self.answers.say(f"app {app}", await super().get_app(app))

    async def changes(self, cursor: str | None, since: datetime) -> Heard:
        assert (cursor, since) == (None, self.clock.now())
        return await self.answers.say("log", await super().changes(cursor, since))


class Vault(FakeKv):
    """One Vault likewise; we may do what is needed and nothing else."""

    def __init__(self, clock: ManualClock, answers: Answers) -> None:
        super().__init__(clock)
        self.answers = answers
        self.clock = clock
        self.found = HEALTH
        self.more: dict[str, frozenset[str]] = {}
        self.needed: dict[str, frozenset[str]] = {}
        self.asked_for: list[str] = []
        self.late = timedelta(0)

    async def handshake(self) -> Handshake | NoTls:
        return await self.answers.say("vault handshake", TLS)

    async def health(self) -> VaultHealth:
        self.clock.advance(self.late)
        return await self.answers.say("health", replace(self.found, at=self.clock.now()))

    async def sign_in(self) -> None:
        await self.answers.say("vault sign in", None)

    async def token(self) -> TokenLife:
        return await self.answers.say("token", TOKEN)

    async def check_mount(self, path: KvPath) -> None:
        await self.answers.say(f"mount {path.mount}", None)

    async def defaults(self, mount: str) -> MountDefaults:
        return await self.answers.say(f"defaults {mount}", MountDefaults(0, timedelta(0)))

    async def rights(self, paths: Sequence[str]) -> Mapping[str, frozenset[str]]:
        self.asked_for = list(paths)
        denied = dict.fromkeys(paths, frozenset({"deny"}))
        known = {path: each for path, each in (self.needed | self.more).items() if path in denied}
        return await self.answers.say("rights", denied | known)

    async def read_metadata(self, path: KvPath) -> KvMetadata | None:
        return await self.answers.say(f"key {path}", await super().read_metadata(path))


@dataclass
class Place:
    """A file of ours."""

    name: str
    answers: Answers

    async def try_out(self) -> None:
        await self.answers.say(f"try {self.name}", None)


class Everything:
    """An org, a Vault, a file, and targets between them."""

    def __init__(self) -> None:
        self.clock, self.answers = ManualClock(), Answers()
        self.okta, self.vault = Org(self.clock, self.answers), Vault(self.clock, self.answers)
        self.targets: list[Target] = []
        self.effort = Effort()
        self.given = self.once = False
        self.signs = True

    def add(self, name: str = "billing", app_id: str = "0oa1", *, there: bool = True, **traits: object) -> Target:
        if there:
            self.okta.add_app(app_id, "x" * 40)
        target = replace(SmallWorld().target(name, app_id=app_id), **traits)  # type: ignore[arg-type]
        self.targets.append(target)
        self.vault.needed |= {rule.path: frozenset(rule.capabilities) for rule in vault_rights.of_target(target)}
        return target

    def org(self, alias: str) -> OrgWay:
        if (error := self.answers.wrong.get(f"org {alias}")) is not None:
            raise error
        return OrgWay(
            access=self.okta,
            admin=self.okta,
            log=self.okta,
            handshakes=self.okta,
            shares=Shares(),
            signs=self.signs,
            propagation=timedelta(seconds=5),
            certified=None,
        )

    def to_vault(self, alias: str) -> VaultWay:
        if (error := self.answers.wrong.get(f"vault {alias}")) is not None:
            raise error
        return VaultWay(access=self.vault, kv=self.vault, handshakes=self.vault, given=self.given, once=self.once)

    async def look(self) -> dict[tuple[Check, str], Finding]:
        ways = Ways(self.org, self.to_vault, (Place("outbox", self.answers),), self.clock)
        found = await preflight(self.targets, ways, self.effort)
        return {(each.check, each.about): each for each in found}

    @property
    def at_okta(self) -> list[str]:
        return [each for each in self.answers.asked if each.startswith(("okta", "metadata", "app", "log"))]

    @property
    def at_vault(self) -> list[str]:
        return [each for each in self.answers.asked if each not in self.at_okta and not each.startswith("try")]


@pytest.fixture
def all_well() -> Everything:
    return Everything()


def failures(found: Mapping[tuple[Check, str], Finding]) -> dict[tuple[Check, str], str]:
    return {which: each.said.detail for which, each in found.items() if each.said.verdict is Verdict.FAILED}


# --- what is asked ----------------------------------------------------------------------------------------------


async def test_where_all_is_well_each_question_is_asked_once(all_well: Everything) -> None:
    all_well.add()
    all_well.add("portal", "0oa2")
    all_well.vault.more = {"kv/config": frozenset({"read"})}

    found = await all_well.look()

    assert failures(found) == {}
    assert all_well.at_okta == ["okta handshake", "metadata None", "metadata default", "okta sign in", "apps 1", "log"]
    assert Counter(all_well.at_vault) == dict.fromkeys(
        [
            "vault handshake",
            "health",
            "vault sign in",
            "token",
            "rights",
            "mount kv",
            "mount secret",
            "defaults kv",
            "key kv/billing/okta",
            "key kv/portal/okta",
            "key secret/rotator/staging/acme/0oa1",
            "key secret/rotator/staging/acme/0oa2",
        ],
        1,
    )
    assert {check for check, _ in found} == set(Check)
    assert found[Check.OKTA_ROLE, "acme"].said.detail == "sees 2 apps"
    assert found[Check.OKTA_LIMIT, "acme"].said.detail.startswith("50 a minute for us")
    assert found[Check.APP, "portal"].said.verdict is Verdict.OK
    assert found[Check.RIGHTS, "portal"].said.verdict is Verdict.OK
    assert found[Check.VERIFICATION, "billing"].said.detail.startswith("by a token of default")


async def test_what_the_mount_says_counts_where_it_may_be_read(all_well: Everything) -> None:
    all_well.add()
    for rights in (frozenset({"root"}), frozenset({"read"}), frozenset({"update"})):
        all_well.vault.more = {"kv/config": rights, "secret/config": rights}
        all_well.answers.asked.clear()
        found = await all_well.look()

        may = "update" not in rights
        assert ("defaults kv" in all_well.at_vault, "defaults secret" in all_well.at_vault) == (may, may)
        assert found[Check.EXPIRY, "billing"].said.verdict is (Verdict.OK if may else Verdict.CANNOT_TELL)


async def test_every_path_of_a_target_is_looked_at(all_well: Everything) -> None:
    second = KvPath("other", "billing/reports")
    all_well.add(also=(Destination(second),))
    all_well.answers.wrong = {"mount other": RefusedError("other/ is no KV engine")}

    found = await all_well.look()

    assert "mount other" in all_well.at_vault
    assert "key other/billing/reports" not in all_well.at_vault, "where there is no engine there is no key"
    assert "other/ is no KV engine" in found[Check.MOUNT, "billing"].said.detail


async def test_the_keys_of_every_path_are_judged(all_well: Everything) -> None:
    paths = KvPath("kv", "billing/reports"), KvPath("kv", "billing/okta"), KvPath("secret", "rotator/staging/acme/0oa1")
    all_well.add(also=(Destination(paths[0]),))
    for path in paths:
        all_well.vault.by_hand.put(path, {"note": "theirs"})
    assert (await all_well.look())[Check.EXPIRY, "billing"].said.verdict is Verdict.OK

    for path in paths:
        all_well.vault.by_hand.configure(path, delete_version_after=timedelta(hours=1))
        found = await all_well.look()
        assert found[Check.EXPIRY, "billing"].said.verdict is not Verdict.OK, path
        all_well.vault.by_hand.configure(path, delete_version_after=timedelta(0))


async def test_rights_are_asked_for_what_is_needed_and_beyond(all_well: Everything) -> None:
    all_well.add()
    beyond = [f"kv/{kind}/billing/okta" for kind in ("delete", "destroy", "undelete")]
    beside = [
        f"{mount}/{part}" for mount in ("kv", "secret") for part in ("config", f"data/{PROBE}", f"metadata/{PROBE}")
    ]

    quiet = await all_well.look()
    assert all_well.vault.asked_for == [*all_well.vault.needed, *beyond, *beside]
    all_well.vault.more = {"kv/undelete/billing/okta": frozenset({"update"})}
    found = await all_well.look()

    assert quiet[Check.VAULT_EXCESS, "main"].said.verdict is Verdict.OK
    assert "`update` on kv/undelete/billing/okta" in found[Check.VAULT_EXCESS, "main"].said.detail


async def test_what_two_targets_need_of_one_path_is_added_up(all_well: Everything) -> None:
    staging = KvPath("secret", "rotator/staging/acme/0oa1")
    all_well.add()
    all_well.add("lost", "0oa2", consumer=KvPath(staging.mount, "rotator/staging/acme/0oa1"))
    all_well.vault.needed[f"{staging.mount}/destroy/{staging.path}"] = frozenset({"deny"})

    found = await all_well.look()

    assert f"{staging.mount}/destroy/{staging.path}" in found[Check.RIGHTS, "billing"].said.detail
    assert len(all_well.vault.asked_for) == len(set(all_well.vault.asked_for))


async def test_a_few_are_asked_at_the_same_time(all_well: Everything) -> None:
    for number in range(12):
        all_well.add(f"t{number}", f"0oa{number}")

    await all_well.look()

    assert AT_ONCE <= all_well.answers.most <= AT_ONCE + 2  # and the org meanwhile


async def test_clocks_are_compared_when_the_other_side_has_answered(all_well: Everything) -> None:
    all_well.add()
    for late, check, about in (
        (all_well.okta, Check.OKTA_CLOCK, "acme"),
        (all_well.vault, Check.VAULT_CLOCK, "main"),
    ):
        late.late = timedelta(minutes=1)
        found = await all_well.look()

        assert found[check, about].said.verdict is Verdict.OK
        late.late = timedelta(0)


async def test_each_org_and_vault_is_judged_by_its_own_targets(all_well: Everything) -> None:
    strict = all_well.add()
    all_well.targets[0] = replace(strict, policy=replace(strict.policy, usage=Usage.REQUIRED))
    all_well.add("elsewhere", "0oa2", org="other", vault="second")
    all_well.answers.wrong = {"log": NO}

    found = await all_well.look()

    assert found[Check.OKTA_LOG, "acme"].said.verdict is Verdict.FAILED
    assert found[Check.OKTA_LOG, "other"].said.verdict is Verdict.WARNING
    assert Counter(all_well.at_vault)["key kv/elsewhere/okta"] == 1
    assert Counter(all_well.at_vault)["key kv/billing/okta"] == 1
    assert Counter(all_well.at_okta)["okta sign in"] == 2


# --- apps that stand on no page -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("targets", "effort", "pages"),
    [
        (1, Effort(), 1),
        (TARGETS_FOR_A_PAGE - 1, Effort(), 1),
        (TARGETS_FOR_A_PAGE, Effort(), 2),
        (TARGETS_FOR_A_PAGE, Effort(pages=1), 1),
        (1, Effort(pages=5), 1),
    ],
)
async def test_as_many_pages_are_read_as_are_worth_it(
    all_well: Everything, targets: int, effort: Effort, pages: int
) -> None:
    all_well.effort = effort
    for number in range(targets):
        all_well.add(f"t{number}", f"0oa{number}")

    await all_well.look()

    assert f"apps {pages}" in all_well.at_okta


async def test_who_stands_on_none_is_asked_for_as_far_as_the_effort_goes(all_well: Everything) -> None:
    all_well.okta.page = 2
    all_well.effort = Effort(single_apps=2)
    for number in range(5):
        all_well.add(f"t{number}", f"0oa{number}")
    all_well.okta.remove_app("0oa2")

    found = await all_well.look()

    assert [each for each in all_well.at_okta if each.startswith("app ")] == ["app 0oa2", "app 0oa3"]
    assert found[Check.APP, "t1"].said.verdict is Verdict.OK
    assert "our role sees no app 0oa2" in found[Check.APP, "t2"].said.detail
    assert found[Check.APP, "t3"].said.verdict is Verdict.OK
    assert (Check.APP, "t4") not in found, "nobody knows"
    assert found[Check.OKTA_ROLE, "acme"].said.detail == "sees 2 apps"


async def test_an_app_that_nobody_wants_is_only_counted(all_well: Everything) -> None:
    all_well.add()
    all_well.okta.add_app("0oa9")

    found = await all_well.look()

    assert found[Check.OKTA_ROLE, "acme"].said.detail == "sees 2 apps"
    assert [each for each in all_well.at_okta if each.startswith("app ")] == []


# --- what is not asked any more -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "error", "last", "checks"),
    [
        ("org acme", NO, [], {Check.OKTA_LOGIN}),
        ("okta handshake", AWAY, ["okta handshake"], {Check.OKTA_REACHABLE}),
        ("okta handshake", NO, ["okta handshake"], {Check.OKTA_TLS}),
        ("metadata None", AWAY, ["okta handshake", "metadata None"], {Check.OKTA_REACHABLE}),
        ("metadata None", ConfigError(["no key"]), ["okta handshake", "metadata None"], {Check.OKTA_LOGIN}),
        (
            "okta sign in",
            RefusedError("no", code="invalid_client"),
            ["okta handshake", "metadata None", "metadata default", "okta sign in"],
            {Check.OKTA_LOGIN},
        ),
        (
            "apps 1",
            NO,
            ["okta handshake", "metadata None", "metadata default", "okta sign in", "apps 1"],
            {Check.OKTA_ROLE},
        ),
    ],
)
async def test_of_an_org_nothing_is_asked_that_hangs_on_what_failed(
    all_well: Everything, wrong: str, error: RotatorError, last: Sequence[str], checks: set[Check]
) -> None:
    all_well.add()
    all_well.answers.wrong = {wrong: error}

    found = await all_well.look()

    assert all_well.at_okta == last
    assert {check for check, _ in failures(found)} == checks
    assert found[Check.VAULT_LOGIN, "main"].said.verdict is Verdict.OK, "Vault is asked all the same"


@pytest.mark.parametrize(
    ("wrong", "error", "last", "checks"),
    [
        ("vault main", NO, [], {Check.VAULT_LOGIN}),
        ("vault handshake", AWAY, ["vault handshake"], {Check.VAULT_REACHABLE}),
        ("health", AWAY, ["vault handshake", "health"], {Check.VAULT_REACHABLE}),
        ("vault sign in", NO, ["vault handshake", "health", "vault sign in"], {Check.VAULT_LOGIN}),
    ],
)
async def test_of_a_vault_nothing_is_asked_that_hangs_on_what_failed(
    all_well: Everything, wrong: str, error: RotatorError, last: Sequence[str], checks: set[Check]
) -> None:
    all_well.add()
    all_well.answers.wrong = {wrong: error}

    found = await all_well.look()

    assert all_well.at_vault == last
    assert {check for check, _ in failures(found)} == checks
    assert found[Check.APP, "billing"].said.verdict is Verdict.OK, "Okta is asked all the same"
    assert (Check.RIGHTS, "billing") not in found


async def test_a_vault_that_is_sealed_is_not_logged_in_to(all_well: Everything) -> None:
    all_well.add()
    all_well.vault.found = replace(HEALTH, sealed=True)

    found = await all_well.look()

    assert all_well.at_vault == ["vault handshake", "health"]
    assert {check for check, _ in failures(found)} == {Check.VAULT_SEAL}


@pytest.mark.parametrize(
    ("wrong", "goes_on"),
    [({"token": NO, "rights": NO}, False), ({"token": NO}, True), ({"rights": NO}, True), ({"token": AWAY}, True)],
    ids=["dead", "it may not look at itself", "it may not ask for its rights", "no answer"],
)
async def test_with_a_token_that_is_dead_nothing_is_asked(
    all_well: Everything, wrong: dict[str, RotatorError], goes_on: bool
) -> None:
    all_well.add()
    all_well.answers.wrong = wrong

    await all_well.look()

    assert ("mount kv" in all_well.at_vault) is goes_on
    assert "defaults kv" not in all_well.at_vault, "nobody said that it may be read"


async def test_how_we_log_in_is_told_to_those_who_judge(all_well: Everything) -> None:
    all_well.add()
    usual = await all_well.look()
    all_well.given = all_well.once = True
    all_well.signs = False
    other = await all_well.look()

    assert "our key" in usual[Check.OKTA_LOGIN, "acme"].said.detail
    assert "our API token" in other[Check.OKTA_LOGIN, "acme"].said.detail
    assert usual[Check.VAULT_LOGIN, "main"].said.detail == "logged in"
    assert "a token that we were given" in other[Check.VAULT_LOGIN, "main"].said.detail


async def test_a_file_of_ours_that_cannot_be_written_fails_by_itself(all_well: Everything) -> None:
    all_well.add()
    all_well.answers.wrong = {"try outbox": RefusedError("no space left")}

    found = await all_well.look()

    assert failures(found) == {(Check.PLACE, "outbox"): "no space left"}


async def test_a_target_without_a_server_of_its_own_asks_none(all_well: Everything) -> None:
    target = all_well.add()
    all_well.targets[0] = replace(target, verify=replace(target.verify, authorization_server=None))

    found = await all_well.look()

    assert [each for each in all_well.at_okta if each.startswith("metadata")] == ["metadata None"]
    assert "introspection" in found[Check.VERIFICATION, "billing"].said.detail


# --- what the limit is --------------------------------------------------------------------------------------------


async def test_what_okta_grants_us_is_told_by_one_call(all_well: Everything) -> None:
    all_well.add()
    all_well.add("portal", "0oa2")

    assert await limit_of(all_well.org("acme")) == 50
    assert all_well.at_okta == ["apps 1"]


async def test_where_the_answers_do_not_say_it_is_not_guessed(all_well: Everything) -> None:
    all_well.okta.seen = None

    with pytest.raises(RefusedError, match="no rate limit") as caught:
        await limit_of(all_well.org("acme"))

    assert "--limit" in caught.value.hint
