"""What may be the matter with the client, and with the server that it asks."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.core.diagnosis.case import shown_id
from rotator.core.diagnosis.causes import Cause, Doubt, Finding
from rotator.core.diagnosis.evidence import issuer_of, origin_of
from rotator.core.diagnosis.signs import Sign
from rotator.core.model import AuthMethod

if TYPE_CHECKING:
    from rotator.core.diagnosis.case import Case
    from rotator.core.diagnosis.evidence import Document


# --- Where it asks --------------------------------------------------------------------------------------------


def not_okta(case: Case) -> Finding | None:
    """What answers there is not Okta."""
    document, answer = case.seen.document, case.seen.answer
    if document is not None and document.status == 200 and not document.json:
        evidence = f"{document.address} publishes no document of an authorization server, but a page"
    elif answer is not None and case.sign is Sign.NOT_OKTA:
        evidence = f"the answer is {answer.status or 'one'} without JSON of Okta's"
    else:
        return None
    remedy = (
        "Use the address of the Okta org, https://acme.okta.com, and not that of a sign-in page, a proxy or a portal."
    )
    issuer = case.right_issuer
    return Finding(Cause.NOT_OKTA, evidence, remedy, case.again(issuer=issuer) if issuer and case.elsewhere else "")


def other_server(case: Case) -> Finding | None:
    """The org has no authorization server of that name."""
    document = case.seen.document
    absent = document is not None and document.status == 404 and document.error == "E0000007"
    if not absent and case.sign is not Sign.NO_SERVER:
        return None
    where = document.address if document else "the path that was asked"
    there = [each.address for each in case.seen.others if each.issuer]
    remedy = "Look under Security, API, Authorization Servers in Okta's admin console which there are."
    if there:
        remedy = f"There is {there[0]}. {remedy}"
    return Finding(
        Cause.OTHER_SERVER,
        f"Okta has no authorization server at {where}",
        remedy,
        case.again(issuer=there[0]) if there else "",
    )


def no_licence(case: Case) -> Finding | None:
    """The org may not use custom authorization servers."""
    document = case.seen.document
    unlicensed = document is not None and document.error == "E0000015"
    if not unlicensed and case.sign is not Sign.LICENCE:
        return None
    return Finding(
        Cause.NO_LICENCE,
        "Okta answers E0000015: the feature is not enabled for this org",
        "A custom authorization server needs Okta's API Access Management; without it no client gets a token for a"
        " secret. Ask whoever administers the org.",
    )


def trailing_slash(case: Case) -> Finding | None:
    """The issuer ends in a slash, which the real one does not."""
    asked, captured, document = case.seen.asked, case.seen.captured, case.seen.document
    if captured is not None:
        if case.believed or "//" not in captured.path:
            return None
        evidence = "the path that was asked has two slashes in a row"
        return Finding(Cause.TRAILING_SLASH, evidence, "Write the issuer without a slash at its end.")
    if asked is None or document is None or document.issuer is None:
        return None
    if not asked.issuer.endswith("/") or document.issuer.endswith("/"):
        return None
    return Finding(
        Cause.TRAILING_SLASH,
        f"the issuer is {document.issuer}, without a slash at its end; with one, an endpoint made from it is not found",
        "Write the issuer as its document does.",
        case.again(issuer=document.issuer),
    )


def custom_domain(case: Case) -> Finding | None:
    """The document names another host than the one that was asked for it."""
    document = case.seen.document
    if document is None or document.issuer is None or origin_of(document.issuer) == origin_of(document.address):
        return None
    return Finding(
        Cause.CUSTOM_DOMAIN,
        f"the document at {document.address} says that its issuer is {document.issuer}",
        "Use one of the two everywhere, the one that the document names: a token's `iss`, an assertion's `aud` and the"
        " endpoints are all of that one.",
        case.again(issuer=document.issuer),
    )


def different_servers(case: Case) -> Finding | None:
    """The user is sent to one server and the code is redeemed at another."""
    seen = case.seen
    if not seen.authorize_url or seen.asked is None:
        return None
    here, there = issuer_of(seen.asked.issuer.rstrip("/")), issuer_of(seen.authorize_url)
    if here.lower() == there.lower() or _same(seen.document, seen.authorize):
        return None
    right = case.right_issuer or there
    return Finding(
        Cause.DIFFERENT_SERVERS,
        f"/authorize is of {there}, /token of {here}",
        f"Take both endpoints from one document: {right}/.well-known/openid-configuration.",
        case.again(issuer=right, authorize=f"{_endpoints(right)}/v1/authorize"),
    )


def org_server(case: Case) -> Finding | None:
    """The org's own server gives nothing for a secret."""
    app = case.seen.app
    never = case.at_the_org and app is not None and app.auth_method.uses_secret and not case.believed
    if case.sign is not Sign.ORG_SERVER and not (never and not case.elsewhere):
        return None
    there = [each.address for each in case.seen.others if each.issuer]
    return Finding(
        Cause.ORG_SERVER,
        "client_credentials with a secret was asked of the org's own server, which takes a key alone for it",
        "Ask a custom authorization server, such as `default`"
        + (f": {there[0]}." if there else "; Security, API, Authorization Servers lists them."),
        case.again(issuer=there[0]) if there else "",
    )


# --- Who asks -------------------------------------------------------------------------------------------------


def wrong_client_id(case: Case) -> Finding | None:
    """The client id is not the app's."""
    seen, subject = case.seen, case.seen.subject
    if seen.asked is None or seen.swapped:
        return None
    shown = shown_id(seen.asked.client_id, case)
    if seen.app is not None and seen.asked.client_id != seen.app.client_id:
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
    if seen.app is not None and (_is_other(case) or seen.app.status != "ACTIVE" or seen.swapped):
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


def _is_other(case: Case) -> bool:
    app, asked = case.seen.app, case.seen.asked
    return app is not None and asked is not None and app.client_id != asked.client_id


def _same(one: Document | None, other: Document | None) -> bool:
    return one is not None and other is not None and one.issuer is not None and one.issuer == other.issuer


def _endpoints(issuer: str) -> str:
    return issuer if "/oauth2/" in issuer else f"{issuer}/oauth2"


def _ask_its_own(issuer: str) -> str:
    return f"Ask the org that the client is of: {issuer}. Every endpoint stands in its discovery document."
