"""The request that is made for an application: as it makes it, as far as anybody has said how.

* What was said counts; else the app's own settings, else what most libraries do.
* An app that gets no token by itself is asked about by introspection: that shows its secret, and mints nothing.
* A request is not made where it is known already how it ends, or where the secret would come into the wrong hands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.diagnosis.evidence import CLIENT_CREDENTIALS, INTROSPECTION, Asked, origin_of
from rotator.core.disguise import shape_of, shape_of_value
from rotator.core.model import AuthMethod
from rotator.core.secret_value import SecretValue

if TYPE_CHECKING:
    from rotator.core.diagnosis.evidence import Complaint, Document, Evidence
    from rotator.core.model import App


def request_of(complaint: Complaint, seen: Evidence) -> Asked:
    """Return the request."""
    app, target = seen.app, complaint.target
    in_vault = seen.vault.client_id if seen.vault else None
    return Asked(
        issuer=complaint.issuer,
        client_id=complaint.client_id or in_vault or (app.client_id if app else ""),
        method=complaint.method or _method_of(app),
        grant=complaint.grant or _grant_of(app, complaint),
        scope=complaint.scope or (target.verify.scope if target else None),
    )


def have_changed_places(asked: Asked, value: SecretValue, app: App | None) -> bool:
    """Say whether the id stands in the secret's place, and something else in its own."""
    if app is None:
        return shape_of_value(value).like_a_client_id and not shape_of(asked.client_id).like_a_client_id
    return asked.client_id != app.client_id and any(value == SecretValue(each) for each in (app.client_id, app.id))


def why_not_sent(asked: Asked, complaint: Complaint, seen: Evidence) -> str:
    """Return why the request is not made; nothing if it is."""
    document, app = seen.document, seen.app
    if not asked.client_id:
        return "nothing was sent: there is no client id to show"
    if seen.swapped:
        return "nothing was sent: the secret would stand in Okta's log as a client id"
    if document is not None and document.status == 200 and not document.json:
        return "nothing was sent: what answers there is not Okta"
    if document is not None and document.error in {"E0000007", "E0000015"}:
        return f"nothing was sent: Okta answers {document.error} for that server"
    if complaint.method is None and app is not None and not app.auth_method.uses_secret:
        return f"nothing was sent: the app authenticates by {app.auth_method.value}"
    if asked.method is AuthMethod.SECRET_JWT and seen.shape.too_short_for_jwt:
        return "nothing was sent: the secret is too short to sign with"
    return ""


def other_issuers(complaint: Complaint, document: Document) -> list[str]:
    """Return the issuers that may be meant where this one is the org's own, or none."""
    if document.address != origin_of(document.address) and document.status == 200:
        return []
    subject, origin = complaint.subject, origin_of(document.address)
    known = [subject.server] if subject.server and subject.org_url and origin == origin_of(subject.org_url) else []
    found = [f"{origin}/oauth2/{server}" for server in dict.fromkeys([*known, "default"])]
    return [issuer for issuer in found if issuer != document.address]


def _method_of(app: App | None) -> AuthMethod:
    return app.auth_method if app is not None and app.auth_method.uses_secret else AuthMethod.BASIC


def _grant_of(app: App | None, complaint: Complaint) -> str:
    if app is None:
        return CLIENT_CREDENTIALS
    has_server = complaint.issuer_given or "/oauth2/" in complaint.issuer
    by_itself = app.allows_client_credentials and has_server and not app.dpop_bound
    return CLIENT_CREDENTIALS if by_itself else INTROSPECTION
