"""What may be the matter with the server that the client asks. Most of it its discovery document tells.

* What answers there may not be Okta at all; then it is sent nothing.
* An issuer is one text: with another host, or with a slash at its end, it is another one.
* A token for a secret comes from a custom authorization server, never from the org's own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.diagnosis.causes import Cause, Finding
from rotator.core.diagnosis.evidence import issuer_of, origin_of
from rotator.core.diagnosis.signs import Sign

if TYPE_CHECKING:
    from rotator.core.diagnosis.case import Case
    from rotator.core.diagnosis.evidence import Document


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
        case.again(issuer=asked.issuer.rstrip("/")),
    )


def custom_domain(case: Case) -> Finding | None:
    """The document names another host than the one that was asked for it."""
    document = case.seen.document
    if document is None or document.issuer is None or origin_of(document.issuer) == origin_of(document.address):
        return None
    # An address that only a server names is no place to send a secret to, unless it is that of an org of ours.
    ours = case.seen.subject.org_url is not None and origin_of(case.seen.subject.org_url) == origin_of(document.issuer)
    return Finding(
        Cause.CUSTOM_DOMAIN,
        f"the document at {document.address} says that its issuer is {document.issuer}",
        "Use one of the two everywhere, the one that the document names: a token's `iss`, an assertion's `aud` and the"
        " endpoints are all of that one.",
        case.again(issuer=document.issuer) if ours else "",
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


def _same(one: Document | None, other: Document | None) -> bool:
    return one is not None and other is not None and one.issuer is not None and one.issuer == other.issuer


def _endpoints(issuer: str) -> str:
    return issuer if "/oauth2/" in issuer else f"{issuer}/oauth2"
