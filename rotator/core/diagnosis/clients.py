"""What may be the matter with the client: which one it is, of which org, and what kind of app it belongs to.

* Okta's words for a client id that it does not know are the same for a slip of the pen, for another org, and perhaps
  for an app that is switched off. What tells them apart is where the management API shows the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.core.diagnosis.case import shown_id
from rotator.core.diagnosis.causes import Cause, Doubt, Finding
from rotator.core.diagnosis.signs import Sign
from rotator.core.model import AuthMethod

if TYPE_CHECKING:
    from rotator.core.diagnosis.case import Case


def wrong_client_id(case: Case) -> Finding | None:
    """The client id is not the app's."""
    seen, subject = case.seen, case.seen.subject
    if seen.asked is None or seen.swapped:
        return None
    if seen.app is not None and seen.app.sign_on_mode != "OPENID_CONNECT":
        evidence = f"the app {seen.app.id} signs on by {seen.app.sign_on_mode}: it is no OAuth client"
        return Finding(Cause.WRONG_CLIENT_ID, evidence, "Name the app that is the client: its id, and `app_id`.")
    shown = shown_id(seen.asked.client_id, case)
    if seen.app is not None and case.other_client:
        typed = dict(subject.options).get("--client-id")
        where = "--client-id" if typed or subject.path is None else f"`{subject.fields.client_id}` of {subject.path}"
        patch = case.vault("patch", f"{subject.fields.client_id}={seen.app.client_id}")
        return Finding(
            Cause.WRONG_CLIENT_ID,
            f"{where} is {shown}; the client id of {seen.app.id} is {seen.app.client_id}",
            f"Write {seen.app.client_id} there.",
            case.again(client_id=seen.app.client_id) if typed or subject.path is None else patch,
        )
    if case.sign is Sign.UNKNOWN_CLIENT and seen.nearest:
        return Finding(
            Cause.WRONG_CLIENT_ID,
            f"there is no client {shown}; there is {seen.nearest}",
            f"Write {seen.nearest}.",
            case.again(client_id=seen.nearest),
        )
    return None


def other_org(case: Case) -> Finding | None:
    """The client is one of another org."""
    seen = case.seen
    if case.sign is not Sign.UNKNOWN_CLIENT or seen.asked is None:
        return None
    host = urlsplit(seen.asked.issuer).netloc
    if seen.elsewhere:
        issuer = f"{seen.elsewhere}/oauth2/{seen.asked.server}" if seen.asked.server else seen.elsewhere
        evidence = f"the client is one of {seen.elsewhere}, and {host} was asked"
        return Finding(Cause.OTHER_ORG, evidence, _ask_its_own(issuer), case.again(issuer=issuer))
    if not case.elsewhere or case.right_issuer is None:
        return None
    evidence = f"the client is one of {seen.subject.org_url}, and {host} was asked, which does not know it"
    return Finding(Cause.OTHER_ORG, evidence, _ask_its_own(case.right_issuer), case.again(issuer=case.right_issuer))


def client_unknown(case: Case) -> Doubt | None:
    """Okta does not know the client id, and nobody says why."""
    seen = case.seen
    if case.sign is not Sign.UNKNOWN_CLIENT or seen.elsewhere or seen.nearest or case.elsewhere:
        return None
    if seen.app is not None and (case.other_client or seen.app.status != "ACTIVE" or seen.swapped):
        return None
    if seen.app is not None:
        return Doubt(
            (Cause.OTHER_ORG, Cause.OUT_OF_ORDER),
            "Okta's management API shows the app as active, and the token endpoint does not know its client id",
            "Compare the host that was asked with the org's own address, and ask again in a while.",
        )
    possible = (Cause.WRONG_CLIENT_ID, Cause.OTHER_ORG)
    managed = seen.subject.org_url is not None
    return Doubt(
        possible if managed else (*possible, Cause.APP_INACTIVE),
        f"{case.said}: this org does not know the client id"
        + ("" if managed else ", or does not tell of it while its app is deactivated"),
        "Look the id up in the org where the app was made: Okta admin console, Applications, the app, General. Or run"
        " it with a configuration (`--config`) that has that org.",
    )


def app_inactive(case: Case) -> Finding | None:
    """The app is switched off."""
    app = case.seen.app
    if app is None or app.status == "ACTIVE":
        return None
    return Finding(
        Cause.APP_INACTIVE,
        f"the app {app.id} is {app.status}",
        f"Activate it, if that is wanted: {case.console}.",
    )


def public_client(case: Case) -> Finding | None:
    """The app has no secret, and shows none."""
    app = case.seen.app
    if app is None or app.auth_method is not AuthMethod.NONE:
        return None
    return Finding(
        Cause.PUBLIC_CLIENT,
        f"the app {app.id} is set to `token_endpoint_auth_method: none`",
        "Send the client id alone, with PKCE; or let the app authenticate:"
        f" {case.console}, General, Client Credentials, Client authentication: Client secret.",
    )


def key_client(case: Case) -> Finding | None:
    """The app proves itself by a key; Okta keeps no secrets for it."""
    app = case.seen.app
    if app is None or app.auth_method is not AuthMethod.PRIVATE_KEY_JWT:
        return None
    return Finding(
        Cause.KEY_CLIENT,
        f"the app {app.id} is set to `token_endpoint_auth_method: private_key_jwt`; it has no secret",
        f"Sign an assertion with the app's key; or go back to a secret: {case.console}, General, Client Credentials,"
        " Client authentication: Client secret. A new secret is made then.",
    )


def method_unknown(case: Case) -> Doubt | None:
    """Client authentication failed in general words, and the app cannot be seen."""
    if case.sign is not Sign.GENERIC or case.seen.app is not None:
        return None
    return Doubt(
        (Cause.WRONG_METHOD, Cause.APP_INACTIVE, Cause.PUBLIC_CLIENT, Cause.KEY_CLIENT),
        f"{case.said}; Okta says so of another method than the app's, and perhaps of an app that is switched off",
        "Compare the method with the app's: Okta admin console, Applications, the app, General, Client Credentials."
        " Or run it with a configuration (`--config`) that has this org.",
    )


def _ask_its_own(issuer: str) -> str:
    return f"Ask the org that the client is of: {issuer}. Every endpoint stands in its discovery document."
