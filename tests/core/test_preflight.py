"""The checks of the pre-flight: what each says of what was seen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.core import vault_rights
from rotator.core.budget import Shares, Window
from rotator.core.certification.facts import Fact
from rotator.core.certification.facts import Verdict as Found
from rotator.core.certified import Certified
from rotator.core.model import (
    App,
    AppId,
    AuthMethod,
    ClientId,
    Destination,
    KvMetadata,
    KvPath,
    KvVersionInfo,
    Mode,
    Policy,
    Target,
    VerifySettings,
)
from rotator.core.preflight import (
    ORG_CHECKS,
    PLACE_CHECKS,
    TARGET_CHECKS,
    VAULT_CHECKS,
    Check,
    Finding,
    Kind,
    exit_code,
    held_back,
    in_doubt,
    judge,
    only_observed,
)
from rotator.core.preflight_facts import (
    NOT_ASKED,
    Handshake,
    KeyFacts,
    MountDefaults,
    NoTls,
    OrgFacts,
    PlaceFacts,
    ServerMetadata,
    TargetFacts,
    TokenLife,
    VaultFacts,
    VaultHealth,
)
from rotator.core.preflight_said import Said, Verdict, broken, failed, span_of
from rotator.core.usage import Usage
from rotator.errors import ConfigError, MissingError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
ALL_SCOPES = frozenset({"okta.apps.read", "okta.apps.manage", "okta.logs.read"})
TLS = Handshake("TLSv1.3", NOON + 90 * DAY)
AWAY = UnavailableError("nobody answers")
REFUSED = RefusedError("403 no", code="403")
SIGNED_OUT = RefusedError("401 E0000011", code="E0000011")
AS_ASSUMED, OTHERWISE, NOT_SHOWN = Found
OK, WARNING, FAILED, CANNOT_TELL = Verdict.OK, Verdict.WARNING, Verdict.FAILED, Verdict.CANNOT_TELL
SERVER = ServerMetadata(
    "https://acme.okta.com/oauth2/default",
    frozenset({"client_credentials"}),
    frozenset({"billing.read"}),
    frozenset({"client_secret_basic"}),
    NOON,
)
WINDOW = Window(limit=50, left=49, ours=1, resets=0, opens=NOON)
CERTIFIED = Certified(
    "acme.okta.com",
    NOON,
    dict.fromkeys(Fact, AS_ASSUMED),
    dict.fromkeys(Fact, "as known"),
    {Fact.CREATE_LAG: 2 * SECOND},
)
ORG = OrgFacts(
    "acme", signs=True, shares=Shares(), now=NOON, handshake=TLS, metadata=SERVER, scopes=ALL_SCOPES, apps=2, log=None,
    window=WINDOW, propagation=5 * SECOND, certified=CERTIFIED,
)  # fmt: skip
TARGET = Target(
    name="billing",
    org="acme",
    vault="main",
    app_id=AppId("0oa1"),
    consumer=KvPath("kv", "billing/okta"),
    staging=KvPath("secret", "staging/acme/0oa1"),
    policy=Policy(rotate_after=90 * DAY),
    verify=VerifySettings("default", "billing.read"),
)
APP = App(
    AppId("0oa1"), "Billing", "ACTIVE", "OPENID_CONNECT", ClientId("0oa1"), AuthMethod.BASIC, "service",
    frozenset({"client_credentials"}), dpop_bound=False,
)  # fmt: skip
NEEDED = {rule.path: frozenset(rule.capabilities) for rule in vault_rights.of_target(TARGET)}
HEALTH = VaultHealth(initialized=True, sealed=False, standby=False, version="1.21", at=NOON)
TOKEN = TokenLife(20 * MINUTE, renewable=True, periodic=False, uses=0, policies=frozenset({"rotator"}))
VAULT = VaultFacts(
    "main", given=False, once=False, now=NOON, handshake=TLS, health=HEALTH, login=None, token=TOKEN, rights=NEEDED,
    needed=NEEDED,
)  # fmt: skip


def key(*, ends: datetime | None = None, deleted: bool = False, **settings: Any) -> KvMetadata:
    version = KvVersionInfo(3, NOON - DAY, deleted=deleted, destroyed=False, ends=ends)
    given: dict[str, Any] = {"max_versions": 0, "cas_required": False, "delete_version_after": timedelta(0)}
    return KvMetadata(current=3, versions={3: version}, **(given | settings))


FACTS = TargetFacts(
    TARGET, app=APP, server=SERVER, consumer_mount=None, staging_mount=None, rights=NEEDED, consumer=key(),
    staging=key(),
)  # fmt: skip


def org(**seen: Any) -> OrgFacts:
    return replace(ORG, **seen)


def certified(**verdicts: Found) -> Certified:
    return replace(CERTIFIED, verdicts={**CERTIFIED.verdicts, **{Fact[name]: each for name, each in verdicts.items()}})


def vault(**seen: Any) -> VaultFacts:
    return replace(VAULT, **seen)


def target(*, of: Mapping[str, Any] | None = None, **seen: Any) -> TargetFacts:
    return replace(FACTS, target=replace(TARGET, **(of or {})), **seen)


def app(**traits: Any) -> App:
    return replace(APP, **traits)


def rights(**less: tuple[str, ...]) -> dict[str, frozenset[str]]:
    """Return what is needed, without some capabilities on the path that has this part in it."""
    return {
        path: frozenset(each - set(next((lost for part, lost in less.items() if f"/{part}/" in path), ())))
        for path, each in NEEDED.items()
    }


EVERY: dict[Check, Any] = dict((*PLACE_CHECKS, *ORG_CHECKS, *VAULT_CHECKS, *TARGET_CHECKS))


def says(check: Check, facts: object) -> Said | None:
    said: Said | None = EVERY[check](facts)
    return said


ORG_CASES = [
    (Check.OKTA_REACHABLE, org(), OK, "answers"),
    (Check.OKTA_REACHABLE, org(handshake=AWAY, metadata=NOT_ASKED), FAILED, "nobody answers"),
    (Check.OKTA_REACHABLE, org(metadata=AWAY), FAILED, "nobody answers"),
    (Check.OKTA_REACHABLE, org(handshake=REFUSED, metadata=NOT_ASKED), None, ""),
    (Check.OKTA_TLS, org(), OK, "TLSv1.3; its certificate ends on 2027-02-21"),
    (Check.OKTA_TLS, org(handshake=Handshake("TLSv1.2", NOON + 13 * DAY)), WARNING, "ends on 2026-12-06"),
    (Check.OKTA_TLS, org(handshake=Handshake("TLSv1.2", NOON + 14 * DAY)), OK, "TLSv1.2"),
    (Check.OKTA_TLS, org(handshake=REFUSED), FAILED, "403 no"),
    (Check.OKTA_TLS, org(handshake=AWAY), None, ""),
    (Check.OKTA_TLS, org(handshake=NoTls.PLAIN), WARNING, "plain http"),
    (Check.OKTA_TLS, org(handshake=NoTls.PROXY), CANNOT_TELL, "behind a proxy"),
    (Check.OKTA_CLOCK, org(now=NOON + 10 * SECOND), OK, "the clocks agree"),
    (Check.OKTA_CLOCK, org(now=NOON + 11 * SECOND), WARNING, "clock is 11s ahead"),
    (Check.OKTA_CLOCK, org(now=NOON - 4 * MINUTE), WARNING, "clock is 4m behind"),
    (Check.OKTA_CLOCK, org(now=NOON - 5 * MINUTE), FAILED, "clock is 5m behind"),
    (Check.OKTA_CLOCK, org(now=NOON - HOUR, signs=False), WARNING, "clock is 1h behind"),
    (Check.OKTA_CLOCK, org(metadata=replace(SERVER, at=None)), CANNOT_TELL, "no time"),
    (Check.OKTA_CLOCK, org(metadata=AWAY), None, ""),
    (Check.OKTA_LOGIN, org(), OK, "our key"),
    (Check.OKTA_LOGIN, org(signs=False, scopes=frozenset()), OK, "our API token"),
    (Check.OKTA_LOGIN, org(scopes=RefusedError("no", code="invalid_client")), FAILED, "no"),
    (Check.OKTA_LOGIN, org(scopes=ConfigError(["no such key"])), FAILED, "no such key"),
    (Check.OKTA_LOGIN, org(scopes=RefusedError("no", code="consent_required"), apps=NOT_ASKED), OK, "our key"),
    (Check.OKTA_LOGIN, org(signs=False, scopes=frozenset(), apps=SIGNED_OUT), FAILED, "E0000011"),
    (Check.OKTA_LOGIN, org(signs=False, scopes=frozenset(), apps=REFUSED), OK, "our API token"),
    (Check.OKTA_LOGIN, org(scopes=NOT_ASKED), None, ""),
    (Check.OKTA_SCOPES, org(), OK, "okta.apps.manage, okta.apps.read, okta.logs.read"),
    (Check.OKTA_SCOPES, org(scopes=ALL_SCOPES - {"okta.logs.read"}), WARNING, "lacks okta.logs.read"),
    (Check.OKTA_SCOPES, org(scopes=ALL_SCOPES - {"okta.apps.manage"}), FAILED, "lacks okta.apps.manage"),
    (Check.OKTA_SCOPES, org(scopes=ALL_SCOPES - {"okta.apps.read"}), FAILED, "lacks okta.apps.read"),
    (Check.OKTA_SCOPES, org(scopes=ALL_SCOPES | {"okta.users.read"}), WARNING, "more than needed: okta.users.read"),
    (Check.OKTA_SCOPES, org(scopes=frozenset()), CANNOT_TELL, "did not say"),
    (Check.OKTA_SCOPES, org(signs=False, scopes=frozenset()), OK, "an API token has none"),
    (Check.OKTA_SCOPES, org(scopes=RefusedError("asked too much", code="consent_required")), FAILED, "asked too much"),
    (Check.OKTA_SCOPES, org(scopes=RefusedError("no", code="invalid_client")), None, ""),
    (Check.OKTA_ROLE, org(), OK, "sees 2 apps"),
    (Check.OKTA_ROLE, org(apps=1), OK, "sees 1 app"),
    (Check.OKTA_ROLE, org(apps=0), FAILED, "our role sees none"),
    (Check.OKTA_ROLE, org(apps=REFUSED), FAILED, "403 no"),
    (Check.OKTA_ROLE, org(apps=SIGNED_OUT), None, ""),
    (Check.OKTA_ROLE, org(apps=NOT_ASKED), None, ""),
    (Check.OKTA_WRITING, org(), CANNOT_TELL, "without writing"),
    (Check.OKTA_WRITING, org(signs=False, scopes=frozenset()), CANNOT_TELL, "without writing"),
    (Check.OKTA_WRITING, org(scopes=frozenset({"okta.apps.read"})), None, ""),
    (Check.OKTA_WRITING, org(scopes=frozenset()), CANNOT_TELL, "without writing"),
    (Check.OKTA_WRITING, org(apps=REFUSED), None, ""),
    (Check.OKTA_WRITING, org(scopes=REFUSED), None, ""),
    (Check.OKTA_LOG, org(), OK, "can be read"),
    (Check.OKTA_LOG, org(log=REFUSED), WARNING, "403 no): each app is looked at once an hour"),
    (Check.OKTA_LOG, org(log=REFUSED, usage=Usage.STOP_IF_SEEN), WARNING, "without a look at who uses it"),
    (Check.OKTA_LOG, org(log=REFUSED, usage=Usage.REQUIRED), FAILED, "no old secret is switched off"),
    (Check.OKTA_LOG, org(usage=Usage.REQUIRED), OK, "can be read"),
    (Check.OKTA_LOG, org(log=AWAY), FAILED, "nobody answers"),
    (Check.OKTA_LOG, org(log=NOT_ASKED), None, ""),
    (Check.OKTA_LIMIT, org(), OK, "50 a minute for us, 49 left; at `rate_share.routine` 0.4 20: 6 rotations a minute"),
    (Check.OKTA_LIMIT, org(window=replace(WINDOW, limit=5)), WARNING, "not even a rotation a minute"),
    (Check.OKTA_LIMIT, org(window=replace(WINDOW, limit=5), shares=Shares(routine=0.6)), OK, ": 1 rotation a minute"),
    (Check.OKTA_LIMIT, org(window=None), WARNING, "no limit"),
    (Check.OKTA_LIMIT, org(apps=NOT_ASKED), None, ""),
    (Check.OKTA_CERTIFIED, org(), OK, "certified on 2026-11-23: 32 facts are as assumed"),
    (Check.OKTA_CERTIFIED, org(certified=None), CANNOT_TELL, "not certified: 19 facts about Okta are assumed"),
    (Check.OKTA_CERTIFIED, org(certified=None, metadata=AWAY), None, ""),
    (
        Check.OKTA_CERTIFIED,
        org(certified=certified(GONE=NOT_SHOWN)),
        OK,
        "31 facts are as assumed; not shown: what is gone",
    ),
    (Check.OKTA_CERTIFIED, org(propagation=SECOND), WARNING, "took 2.0 s until it was seen everywhere, longer than"),
    (
        Check.OKTA_CERTIFIED,
        org(certified=certified(SCOPE_ORDER=OTHERWISE)),
        WARNING,
        "secret before scope is otherwise",
    ),
    (Check.OKTA_CERTIFIED, org(certified=certified(GRANT_ORDER=OTHERWISE)), OK, "31 facts are as assumed"),
    (Check.OKTA_CERTIFIED, org(certified=certified(CREATE_LAG=OTHERWISE)), OK, "31 facts are as assumed"),
    (
        Check.OKTA_CERTIFIED,
        org(certified=replace(certified(CREATE_LAG=OTHERWISE), later={Fact.CREATE_LAG: None})),
        WARNING,
        "a new secret at the token endpoints is otherwise",
    ),
]
VAULT_CASES = [
    (Check.VAULT_REACHABLE, vault(), OK, "answers"),
    (Check.VAULT_REACHABLE, vault(health=AWAY), FAILED, "nobody answers"),
    (Check.VAULT_TLS, vault(handshake=REFUSED), FAILED, "403 no"),
    (Check.VAULT_CLOCK, vault(now=NOON + HOUR), WARNING, "clock is 1h ahead"),
    (Check.VAULT_CLOCK, vault(health=AWAY), None, ""),
    (Check.VAULT_SEAL, vault(), OK, "active, version 1.21"),
    (Check.VAULT_SEAL, vault(health=replace(HEALTH, standby=True)), OK, "a standby"),
    (Check.VAULT_SEAL, vault(health=replace(HEALTH, sealed=True)), FAILED, "it is sealed"),
    (Check.VAULT_SEAL, vault(health=replace(HEALTH, initialized=False)), FAILED, "not initialised"),
    (Check.VAULT_SEAL, vault(health=AWAY), None, ""),
    (Check.VAULT_LOGIN, vault(), OK, "logged in"),
    (Check.VAULT_LOGIN, vault(given=True), OK, "a token that we were given"),
    (Check.VAULT_LOGIN, vault(login=REFUSED), FAILED, "403 no"),
    (Check.VAULT_LOGIN, vault(token=REFUSED, rights=REFUSED), FAILED, "may not even ask about itself"),
    (Check.VAULT_LOGIN, vault(token=REFUSED), OK, "logged in"),
    (Check.VAULT_LOGIN, vault(rights=REFUSED), OK, "logged in"),
    (Check.VAULT_LOGIN, vault(login=NOT_ASKED), None, ""),
    (Check.VAULT_TOKEN, vault(), OK, "lives 20m, renewable"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, renewable=False)), OK, "then we log in anew"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, renewable=False), given=True), WARNING, "cannot be renewed"),
    (Check.VAULT_TOKEN, vault(given=True), OK, "lives 20m, renewable"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, left=None), given=True), WARNING, "never ends"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, left=119 * SECOND)), WARNING, "a slow call outlives"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, left=2 * MINUTE)), OK, "lives 2m"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, uses=5), given=True), FAILED, "good for 5 more calls only"),
    (Check.VAULT_TOKEN, vault(token=replace(TOKEN, uses=5)), WARNING, "each login is good for 5 calls only"),
    (Check.VAULT_TOKEN, vault(once=True), WARNING, "must log in again"),
    (Check.VAULT_TOKEN, vault(once=True, token=replace(TOKEN, periodic=True)), OK, "lives 20m"),
    (Check.VAULT_TOKEN, vault(token=REFUSED), WARNING, "look at itself"),
    (Check.VAULT_TOKEN, vault(token=REFUSED, rights=REFUSED), None, ""),
    (Check.VAULT_TOKEN, vault(token=AWAY), FAILED, "nobody answers"),
    (Check.VAULT_EXCESS, vault(), OK, "nothing beyond"),
    (Check.VAULT_EXCESS, vault(rights={**NEEDED, "kv/config": frozenset({"deny"})}), OK, "nothing beyond"),
    (
        Check.VAULT_EXCESS,
        vault(rights={**NEEDED, "kv/config": frozenset({"update"})}),
        WARNING,
        "`update` on kv/config",
    ),
    (Check.VAULT_EXCESS, vault(token=replace(TOKEN, policies=frozenset({"root"}))), WARNING, "root token"),
    (Check.VAULT_EXCESS, vault(rights=dict.fromkeys("abcdefg", frozenset({"sudo"}))), WARNING, "and 2 more"),
    (Check.VAULT_EXCESS, vault(rights=REFUSED), None, ""),
]
TARGET_CASES = [
    (Check.APP, target(), OK, "Billing, client_secret_basic"),
    (Check.APP, target(app=MissingError("none")), FAILED, "our role sees no app 0oa1"),
    (Check.APP, target(app=AWAY), FAILED, "nobody answers"),
    (Check.APP, target(app=app(sign_on_mode="SAML_2_0")), FAILED, "no OpenID Connect app"),
    (Check.APP, target(app=app(auth_method=AuthMethod.PRIVATE_KEY_JWT)), FAILED, "private_key_jwt, not with a secret"),
    (Check.APP, target(app=app(status="INACTIVE")), FAILED, "Billing is INACTIVE"),
    (Check.APP, target(app=NOT_ASKED), None, ""),
    (Check.VERIFICATION, target(), OK, "by a token of default"),
    (Check.VERIFICATION, target(of={"verify": VerifySettings()}), OK, "introspection at the org's own server"),
    (
        Check.VERIFICATION,
        target(of={"verify": VerifySettings(), "policy": Policy(usage=Usage.REQUIRED)}),
        WARNING,
        "`usage: required` has its proof only while an application gets tokens",
    ),
    (Check.VERIFICATION, target(of={"policy": Policy(usage=Usage.REQUIRED)}), OK, "by a token of default"),
    (Check.VERIFICATION, target(server=MissingError("none")), FAILED, "no authorization server 'default'"),
    (Check.VERIFICATION, target(server=AWAY), FAILED, "nobody answers"),
    (Check.VERIFICATION, target(server=replace(SERVER, scopes=frozenset({"other"}))), WARNING, "'billing.read'"),
    (Check.VERIFICATION, target(server=replace(SERVER, scopes=frozenset())), OK, "by a token"),
    (
        Check.VERIFICATION,
        target(server=replace(SERVER, grant_types=frozenset({"implicit"}))),
        WARNING,
        "does not list client_credentials",
    ),
    (Check.VERIFICATION, target(app=app(auth_method=AuthMethod.POST)), WARNING, "does not list client_secret_post"),
    (Check.VERIFICATION, target(server=replace(SERVER, grant_types=frozenset())), OK, "by a token"),
    (Check.VERIFICATION, target(server=replace(SERVER, auth_methods=frozenset())), OK, "by a token"),
    (Check.VERIFICATION, target(of={"verify": VerifySettings("default")}), OK, "by a token"),
    (Check.VERIFICATION, target(app=app(dpop_bound=True)), OK, "bound to DPoP"),
    (Check.VERIFICATION, target(app=app(grant_types=frozenset())), WARNING, "`verify.scope` is of no use"),
    (
        Check.VERIFICATION,
        target(app=app(grant_types=frozenset()), of={"verify": VerifySettings("default")}),
        OK,
        "no grant Client Credentials",
    ),
    (Check.VERIFICATION, target(app=app(auth_method=AuthMethod.NONE)), None, ""),
    (Check.VERIFICATION, target(app=NOT_ASKED), None, ""),
    (Check.MOUNT, target(), OK, "KV version 2 at kv/, secret/"),
    (Check.MOUNT, target(staging_mount=REFUSED), FAILED, "403 no"),
    (Check.MOUNT, target(consumer_mount=REFUSED), FAILED, "403 no"),
    (Check.MOUNT, target(consumer_mount=NOT_ASKED), None, ""),
    (Check.RIGHTS, target(), OK, "all that are needed"),
    (Check.RIGHTS, target(rights=dict.fromkeys(NEEDED, frozenset({"root"}))), OK, "all that are needed"),
    (Check.RIGHTS, target(rights=rights(destroy=("update",))), FAILED, "`update` on secret/destroy/staging/acme/0oa1"),
    (Check.RIGHTS, target(rights={}), FAILED, "`create` and `read` and `update` on kv/data/billing/okta"),
    (
        Check.RIGHTS,
        target(rights={**NEEDED, "kv/data/billing/okta": frozenset({"read", "update"})}),
        WARNING,
        "`create` on kv/data/billing/okta is missing; it is needed only if",
    ),
    (
        Check.RIGHTS,
        target(rights={**NEEDED, "kv/data/billing/okta": frozenset({"read", "update"})}, consumer=None),
        FAILED,
        "`create` on kv/data/billing/okta",
    ),
    (Check.RIGHTS, target(rights=REFUSED), CANNOT_TELL, "ask what it may"),
    (Check.RIGHTS, target(rights=AWAY), FAILED, "nobody answers"),
    (Check.RIGHTS, target(rights=NOT_ASKED), None, ""),
    (Check.EXPIRY, target(), OK, "not set"),
    (Check.EXPIRY, target(consumer=key(delete_version_after=90 * DAY)), FAILED, "after 90d, before it is rotated"),
    (Check.EXPIRY, target(consumer=key(delete_version_after=91 * DAY)), WARNING, "after 91d: one rotation late"),
    (Check.EXPIRY, target(staging=key(delete_version_after=365 * DAY)), FAILED, "staging record"),
    (Check.EXPIRY, target(consumer=key(ends=NOON + DAY)), FAILED, "version 3 of kv/billing/okta deletes itself"),
    (Check.EXPIRY, target(staging=key(ends=NOON + DAY)), FAILED, "version 3 of secret/staging/acme/0oa1"),
    (Check.EXPIRY, target(consumer=key(ends=NOON - DAY, deleted=True)), OK, "not set"),
    (
        Check.EXPIRY,
        target(consumer=key(delete_version_after=95 * DAY), consumer_defaults=MountDefaults(0, HOUR)),
        FAILED,
        "after 1h",
    ),
    (
        Check.EXPIRY,
        target(consumer=key(delete_version_after=DAY), consumer_defaults=MountDefaults(0, -SECOND)),
        OK,
        "not set",
    ),
    (Check.EXPIRY, target(staging=None, staging_defaults=MountDefaults(0, HOUR)), FAILED, "staging record"),
    (Check.EXPIRY, target(consumer=None), CANNOT_TELL, "may not be read"),
    (Check.EXPIRY, target(consumer=None, consumer_defaults=MountDefaults(0, 0 * DAY)), OK, "not set on the mount"),
    (Check.EXPIRY, target(staging=AWAY), FAILED, "nobody answers"),
    (Check.EXPIRY, target(consumer=key(), consumer_defaults=MountDefaults(0, HOUR)), FAILED, "after 1h"),
    (
        Check.EXPIRY,
        target(consumer=key(delete_version_after=DAY), consumer_defaults=MountDefaults(0, 0 * DAY)),
        FAILED,
        "after 1d",
    ),
    (Check.EXPIRY, target(consumer=replace(key(), current=0, versions={})), OK, "not set"),
    (Check.EXPIRY, target(consumer=NOT_ASKED), None, ""),
    (Check.EXPIRY, target(staging=NOT_ASKED), None, ""),
    (Check.VERSIONS, target(), OK, "10 versions are kept"),
    (Check.VERSIONS, target(consumer=None), OK, "10 versions are kept"),
    (Check.VERSIONS, target(consumer=key(max_versions=3)), OK, "3 versions are kept"),
    (Check.VERSIONS, target(consumer=key(max_versions=2)), WARNING, "keeps 2 versions, unless the mount keeps more"),
    (Check.VERSIONS, target(consumer=key(max_versions=1)), WARNING, "keeps 1 version,"),
    (
        Check.VERSIONS,
        target(consumer=key(max_versions=2), consumer_defaults=MountDefaults(1, 0 * DAY)),
        WARNING,
        "keeps 2 versions: ",
    ),
    (
        Check.VERSIONS,
        target(consumer=key(max_versions=1), consumer_defaults=MountDefaults(5, 0 * DAY)),
        OK,
        "5 versions",
    ),
    (Check.VERSIONS, target(consumer=key(cas_required=True)), OK, "compare-and-set is required"),
    (Check.VERSIONS, target(consumer=AWAY), None, ""),
]
PLACE_CASES = [
    (Check.PLACE, PlaceFacts("leases", None), OK, "can be written"),
    (Check.PLACE, PlaceFacts("leases", REFUSED), FAILED, "403 no"),
    (Check.PLACE, PlaceFacts("leases"), None, ""),
]
OTHER = Destination(KvPath("kv", "reports/okta"))


def both(other: KeyFacts | None = None, *, without: str = "", **seen: Any) -> TargetFacts:
    """Return a target with two paths; without the rights on the second, if so said."""
    there = other or KeyFacts(OTHER.path, mount=None, key=key())
    of_two = vault_rights.of_target(replace(TARGET, also=(OTHER,)))
    held = {rule.path: frozenset(rule.capabilities) - {without} for rule in of_two}
    return target(of={"also": (OTHER,)}, also=(there,), **({"rights": held} | seen))


SEVERAL_CASES = [
    (Check.MOUNT, both(), OK, "KV version 2 at kv/, secret/"),
    (Check.MOUNT, both(KeyFacts(KvPath("more", "x"), mount=REFUSED, key=key())), FAILED, "403 no"),
    (Check.MOUNT, both(KeyFacts(KvPath("more", "x"))), None, ""),
    (Check.RIGHTS, both(), OK, "all that are needed on all paths"),
    (Check.RIGHTS, both(rights=NEEDED), FAILED, "`create` and `read` and `update` on kv/data/reports/okta"),
    (Check.RIGHTS, both(rights={**NEEDED, "kv/data/reports/okta": frozenset({"read", "update"}),
                                "kv/metadata/reports/okta": frozenset({"read"})}),
     WARNING, "`create` on kv/data/reports/okta is missing; it is needed only if"),
    (Check.RIGHTS, both(KeyFacts(OTHER.path, mount=None, key=None), without="create"), FAILED,
     "`create` on kv/data/reports/okta"),
    (Check.EXPIRY, both(), OK, "not set"),
    (Check.EXPIRY, both(KeyFacts(OTHER.path)), None, ""),
    (Check.EXPIRY, both(KeyFacts(OTHER.path, key=AWAY)), FAILED, "nobody answers"),
    (Check.EXPIRY, both(KeyFacts(OTHER.path, key=key(ends=NOON + DAY))), FAILED, "version 3 of kv/reports/okta"),
    (Check.EXPIRY, both(KeyFacts(OTHER.path, key=key(delete_version_after=90 * DAY))), FAILED, "kv/reports/okta is to"),
    (Check.EXPIRY, both(KeyFacts(OTHER.path, key=key(delete_version_after=91 * DAY))), WARNING, "kv/reports/okta is"),
    (Check.EXPIRY, both(KeyFacts(OTHER.path, key=None)), CANNOT_TELL, "nothing is written to kv/reports/okta yet"),
    (Check.EXPIRY, both(KeyFacts(OTHER.path, key=None), consumer=key(delete_version_after=91 * DAY)), WARNING,
     "kv/billing/okta is to"),
    (Check.VERSIONS, both(), OK, "10 versions are kept"),
    (Check.VERSIONS, both(KeyFacts(OTHER.path, key=key(max_versions=1))), WARNING, "kv/reports/okta keeps 1 version"),
    (Check.VERSIONS, both(KeyFacts(OTHER.path, key=AWAY)), None, ""),
]  # fmt: skip
CASES = [*SEVERAL_CASES, *ORG_CASES, *VAULT_CASES, *TARGET_CASES, *PLACE_CASES]


@pytest.mark.parametrize(
    ("check", "facts", "verdict", "detail"),
    [
        pytest.param(*case, id=f"{case[0].value}: {case[2].value if case[2] else 'nothing'}: {case[3]}")
        for case in CASES
    ],
)
def test_a_check_says(check: Check, facts: object, verdict: Verdict | None, detail: str) -> None:
    said = says(check, facts)

    assert (said.verdict if said else None) is verdict
    assert detail in (said.detail if said else "")
    assert bool(said and said.remedy) is (verdict not in {OK, None})


def test_an_ordinary_key_is_not_said_to_require_compare_and_set() -> None:
    said = says(Check.VERSIONS, FACTS)

    assert said == Said(OK, "10 versions are kept")


@pytest.mark.parametrize(("number", "more"), [(5, ""), (6, " and 1 more")])
def test_of_what_is_too_much_the_first_five_are_named(number: int, more: str) -> None:
    said = says(Check.VAULT_EXCESS, vault(rights=dict.fromkeys("abcdef"[:number], frozenset({"sudo"}))))

    assert said
    assert said.detail.endswith(f"`sudo` on e{more}")


def test_every_check_is_made_and_tried_to_fail_or_warn() -> None:
    assert set(EVERY) == set(Check)
    unpleasant = {check for check, _, verdict, _ in CASES if verdict in {WARNING, FAILED, CANNOT_TELL}}
    assert unpleasant == set(Check)


def test_what_is_fine_is_fine_throughout() -> None:
    found = judge([PlaceFacts("leases", None)], [ORG], [VAULT], [FACTS])

    assert [each.check for each in found] == list(Check)
    assert {each.check for each in found if each.said.verdict is not OK} == {Check.OKTA_WRITING}
    assert [(each.kind, each.about) for each in found[::6]] == [
        (Kind.OWN, "leases"),
        (Kind.ORG, "acme"),
        (Kind.VAULT, "main"),
        (Kind.TARGET, "billing"),
    ]


def test_what_was_not_asked_is_not_judged() -> None:
    nothing = judge(
        [],
        [OrgFacts("acme", signs=True, shares=Shares(), now=NOON, handshake=AWAY)],
        [VaultFacts("main", given=False, once=False, now=NOON, handshake=AWAY)],
        [TargetFacts(TARGET)],
    )

    assert [each.check for each in nothing] == [Check.OKTA_REACHABLE, Check.VAULT_REACHABLE]


# --- what comes of it ---------------------------------------------------------------------------------------


def finding(kind: Kind, about: str, verdict: Verdict = FAILED, *, outage: bool = False) -> Finding:
    return Finding(Check.APP, kind, about, Said(verdict, "why", "what to do", outage))


@pytest.mark.parametrize(
    ("found", "code"),
    [
        pytest.param([], 0, id="nothing found"),
        pytest.param([finding(Kind.ORG, "acme", WARNING), finding(Kind.ORG, "acme", CANNOT_TELL)], 0, id="warnings"),
        pytest.param([finding(Kind.ORG, "acme")], 1, id="a failure"),
        pytest.param([finding(Kind.ORG, "acme", outage=True)], 5, id="an outage"),
        pytest.param([finding(Kind.ORG, "acme", outage=True), finding(Kind.VAULT, "main")], 1, id="both"),
    ],
)
def test_the_exit_code(found: list[Finding], code: int) -> None:
    assert exit_code(found) == code


@pytest.mark.parametrize(
    ("found", "held"),
    [
        pytest.param(finding(Kind.TARGET, "billing"), {"billing"}, id="a target by its own failure"),
        pytest.param(finding(Kind.ORG, "acme"), {"billing", "portal"}, id="its org's targets by an org's"),
        pytest.param(finding(Kind.VAULT, "main"), {"billing"}, id="its Vault's targets by a Vault's"),
        pytest.param(finding(Kind.OWN, "leases"), {"billing", "portal"}, id="everybody by a place of ours"),
        pytest.param(finding(Kind.ORG, "other"), set(), id="nobody by another org's"),
        pytest.param(finding(Kind.ORG, "acme", outage=True), set(), id="nobody by an outage"),
        pytest.param(finding(Kind.ORG, "acme", WARNING), set(), id="nobody by a warning"),
        pytest.param(finding(Kind.VAULT, "acme"), set(), id="nobody by a Vault with the org's name"),
    ],
)
def test_who_is_held_back(found: Finding, held: set[str]) -> None:
    portal = replace(TARGET, name="portal", vault="cluster")

    assert held_back([TARGET, portal], [found]) == dict.fromkeys(held, found)


def test_who_is_held_back_is_told_the_first_reason() -> None:
    first, second = (
        finding(Kind.TARGET, "billing"),
        Finding(Check.RIGHTS, Kind.TARGET, "billing", Said(FAILED, "later")),
    )

    assert held_back([TARGET], [first, second]) == {"billing": first}


@pytest.mark.parametrize(
    ("length", "written"),
    [(0 * SECOND, "0s"), (59 * SECOND, "59s"), (MINUTE, "1m"), (90 * SECOND, "90s"), (119 * SECOND, "119s"),
     (2 * MINUTE, "2m"), (90 * MINUTE, "90m"), (3 * HOUR, "3h"), (DAY, "1d"), (36 * HOUR, "36h"), (49 * HOUR, "2d")],
)  # fmt: skip
def test_a_span_is_written_as_people_say_it(length: timedelta, written: str) -> None:
    assert span_of(length) == written


# --- as the daemon uses it ------------------------------------------------------------------------------------


def test_who_is_held_back_is_only_looked_at_and_says_what_to_do() -> None:
    lacks = Finding(Check.RIGHTS, Kind.TARGET, "billing", failed("missing: `read` on kv/x", "Give it to our token."))

    held = only_observed(TARGET, lacks)

    assert held.policy.mode is Mode.OBSERVE
    assert held.only_observed == (
        "the pre-flight failed, vault rights of target billing: missing: `read` on kv/x. Give it to our token;"
        " It is checked again by itself"
    )
    assert replace(held, policy=TARGET.policy, only_observed="") == TARGET


@pytest.mark.parametrize(
    ("kind", "about", "doubted"),
    [
        (Kind.OWN, "leases", {"billing", "other"}),
        (Kind.ORG, "acme", {"billing", "other"}),
        (Kind.VAULT, "elsewhere", set()),
        (Kind.TARGET, "other", {"other"}),
    ],
)
def test_an_outage_leaves_in_doubt_whoever_it_touches(kind: Kind, about: str, doubted: set[str]) -> None:
    away = Finding(Check.PLACE, kind, about, broken(UnavailableError("no answer")))
    lacking = Finding(Check.RIGHTS, Kind.TARGET, "billing", failed("missing", "Give it."))

    assert in_doubt([TARGET, replace(TARGET, name="other")], [away, lacking]) == doubted
