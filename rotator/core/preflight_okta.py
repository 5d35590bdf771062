"""The checks of the pre-flight at Okta: of an org, and of a target's app. Pure.

* An empty list is not success: a role that sees no app has failed.
* What a role may write cannot be told without writing, which nobody does here: only a scope that is missing tells.
* How the secret is proven is told; what stands in the way of a token, where introspection does instead, warns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from rotator.core import okta_rights
from rotator.core.preflight_facts import NotAsked
from rotator.core.preflight_said import answering, broken, cannot_tell, certificate, clocks, failed, listed, ok, warning
from rotator.core.usage import Usage
from rotator.errors import MissingError, RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from rotator.core.model import App
    from rotator.core.preflight_facts import OrgFacts, ServerMetadata, TargetFacts
    from rotator.core.preflight_said import Said

CALLS_OF_A_ROTATION = 3  # of Okta's small bucket, to promoted and verified
LOGIN_BELIEVED = frozenset({"consent_required", "invalid_scope", "access_denied"})  # it is us; we are to have less
SIGNED_OUT = "E0000011"


def reachable(org: OrgFacts) -> Said | None:
    return answering(org.handshake, org.metadata)


def tls(org: OrgFacts) -> Said | None:
    return certificate(org.handshake, org.now)


def clock(org: OrgFacts) -> Said | None:
    if isinstance(org.metadata, RotatorError | NotAsked):
        return None
    return clocks(org.now, org.metadata.at, signed=org.signs)


def login(org: OrgFacts) -> Said | None:
    match org.scopes:
        case NotAsked():
            return None
        case RefusedError(code=code) if code in LOGIN_BELIEVED:
            return ok("Okta knows our key")
        case RotatorError() as error:
            return broken(error)
    if isinstance(org.apps, RefusedError) and org.apps.code == SIGNED_OUT:
        return broken(org.apps)
    return ok("Okta knows our key" if org.signs else "Okta knows our API token")


def scopes(org: OrgFacts) -> Said | None:
    grant = "Grant it to the service app on its tab Okta API Scopes; `rotator policy okta` lists them."
    if isinstance(org.scopes, RefusedError) and org.scopes.code in LOGIN_BELIEVED:
        return failed(f"not all of them are granted: {org.scopes}", f"{grant} Or take it out of `auth.scopes`.")
    if isinstance(org.scopes, RotatorError | NotAsked):
        return None
    if not org.signs:
        return ok("an API token has none: it may do what its administrator may")
    if not org.scopes:
        return cannot_tell("Okta did not say which were granted", "Compare them with `rotator policy okta`.")
    known = {each.name for each in okta_rights.SCOPES}
    missing = [each for each in okta_rights.SCOPES if each.name not in org.scopes]
    if any(each.required for each in missing):
        return failed(f"our token lacks {listed(each.name for each in missing)}", grant)
    if missing:
        return warning(f"our token lacks {listed(each.name for each in missing)}, which is for {missing[0].use}", grant)
    if extra := org.scopes - known:
        return warning(f"more than needed: {listed(extra)}", "Take it out of `auth.scopes`, and revoke its grant.")
    return ok(listed(org.scopes))


def role(org: OrgFacts) -> Said | None:
    if isinstance(org.apps, NotAsked) or (isinstance(org.apps, RefusedError) and org.apps.code == SIGNED_OUT):
        return None
    if isinstance(org.apps, RotatorError):
        return broken(org.apps)
    if org.apps == 0:
        return failed(
            "Okta answers, with an empty list of apps: our role sees none",
            "Assign the role with a resource set of the targets' apps, see `rotator policy okta`.",
        )
    return ok(f"sees {org.apps} app{'s' * (org.apps != 1)}")


def writing(org: OrgFacts) -> Said | None:
    if isinstance(org.apps, RotatorError | NotAsked) or isinstance(org.scopes, RotatorError | NotAsked):
        return None
    if org.scopes and okta_rights.MANAGE not in org.scopes:
        return None  # the scopes have said it
    return cannot_tell(
        "whether our role may manage secrets cannot be told without writing",
        f"Look that it has `{okta_rights.MANAGE}`; the first rotation shows it, before consumers are touched.",
    )


def system_log(org: OrgFacts) -> Said | None:
    match org.log:
        case NotAsked():
            return None
        case UnavailableError() as error:
            return broken(error)
        case RotatorError() as error:
            return _unreadable(error, org.usage)
    return ok("can be read")


def _unreadable(error: RotatorError, usage: Usage) -> Said:
    """Say what does not work without the log."""
    line, grant = (
        f"it may not be read ({error})",
        f"Grant `{okta_rights.LOG}`, and the standard role Report Administrator.",
    )
    instead = "each app is looked at once an hour instead"
    match usage:
        case Usage.REQUIRED:
            return failed(
                f"{line}: with `usage: required` no old secret is switched off; {instead}",
                f"{grant} Or set `usage` to another value.",
            )
        case Usage.STOP_IF_SEEN:
            return warning(f"{line}: an old secret is switched off without a look at who uses it; {instead}", grant)
        case Usage.OFF:
            return warning(f"{line}: {instead}", grant)
    assert_never(usage)


def rate_limit(org: OrgFacts) -> Said | None:
    if isinstance(org.apps, RotatorError | NotAsked):
        return None
    window = org.window
    if window is None:
        return warning(
            "Okta's answers tell of no limit; nothing holds our calls back before Okta refuses some",
            "Look whether a proxy takes the X-Rate-Limit headers out.",
        )
    ours = int(window.limit * org.shares.routine + 1e-9)
    told = f"{window.limit} a minute for us, {window.left} left; at `rate_share.routine` {org.shares.routine:g} {ours}"
    if ours < CALLS_OF_A_ROTATION:
        return warning(
            f"{told}: not even a rotation a minute",
            "Raise `rate_share.routine`, or our principal rate limit in Okta.",
        )
    rotations = ours // CALLS_OF_A_ROTATION
    return ok(f"{told}: {rotations} rotation{'s' * (rotations != 1)} a minute")


def app(facts: TargetFacts) -> Said | None:
    match facts.app:
        case NotAsked():
            return None
        case MissingError():
            return failed(
                f"our role sees no app {facts.target.app_id}",
                "Check `app_id`; if it is right, add the app to the role's resource set (`rotator policy okta`).",
            )
        case RotatorError() as error:
            return broken(error)
    return _app(facts.app)


def verification(facts: TargetFacts) -> Said | None:
    if isinstance(facts.app, RotatorError | NotAsked) or not facts.app.auth_method.uses_secret:
        return None
    name = facts.target.verify.authorization_server
    if name is None:
        return _introspected(facts, "by introspection at the org's own server")
    match facts.server:
        case NotAsked():
            return None
        case MissingError():
            return failed(
                f"there is no authorization server {name!r}",
                "Set `verify.authorization_server` to the id of one, or leave it out: introspection needs none.",
            )
        case RotatorError() as error:
            return broken(error)
    return _verification(facts, facts.app, facts.server)


def _app(seen: App) -> Said:
    if seen.sign_on_mode != "OPENID_CONNECT":
        return failed(f"{seen.label} is no OpenID Connect app ({seen.sign_on_mode})", "It has no client secret.")
    if not seen.auth_method.uses_secret:
        return failed(
            f"{seen.label} authenticates by {seen.auth_method.value}, not with a secret",
            "Take it out of the targets, or set its client authentication to a client secret.",
        )
    if seen.status != "ACTIVE":
        return failed(f"{seen.label} is {seen.status}", "Activate it in Okta, or take it out of the targets.")
    return ok(f"{seen.label}, {seen.auth_method.value}")


def _introspected(facts: TargetFacts, how: str) -> Said:
    """Say what an introspection is not: a token request, by which the log shows that it tells who used which secret."""
    if facts.target.policy.usage is not Usage.REQUIRED:
        return ok(how)
    return warning(
        f"{how}, which the System Log does not show: `usage: required` has its proof only while an application gets "
        "tokens with the new secret",
        "Have it proven by a token: name a custom `verify.authorization_server`, and give the app the grant Client "
        "Credentials. Or set `usage: stop_if_seen`.",
    )


def _verification(facts: TargetFacts, seen: App, server: ServerMetadata) -> Said:
    name, scope = facts.target.verify.authorization_server, facts.target.verify.scope
    if server.auth_methods and seen.auth_method.value not in server.auth_methods:
        return warning(
            f"{name} does not list {seen.auth_method.value} among its methods",
            "Set the app's client authentication to one that it lists.",
        )
    if not seen.allows_client_credentials:
        if scope is None:
            return _introspected(facts, f"by introspection at {name}: the app has no grant Client Credentials")
        return warning(
            "`verify.scope` is of no use: the app has no grant Client Credentials; by introspection instead",
            "Give the app that grant to have a token as proof, or leave `verify.scope` out.",
        )
    if seen.dpop_bound:
        return _introspected(facts, f"by introspection at {name}: the app's tokens are bound to DPoP")
    if server.grant_types and "client_credentials" not in server.grant_types:
        return warning(
            f"{name} does not list client_credentials; by introspection instead", "Allow the grant at that server."
        )
    if scope is not None and server.scopes and scope not in server.scopes:
        return warning(
            f"{name} does not publish the scope {scope!r}; if it has none such, the proof is its refusal",
            "Set `verify.scope` to one of its scopes.",
        )
    return ok(f"by a token of {name}")
