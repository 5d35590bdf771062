"""Apps: `/api/v1/apps` and `/api/v1/apps/{app}` (contracts: Okta 3).

* Pages of 20 unless asked for, 200 at most; the cursor is the last app's id, and a bad one is refused.
* `filter` knows five attributes and not the client id; `q` is a prefix of name or label.
* Get and list hide the client secret; create shows the one it made, and answers 200.
* The client id is the app id unless another one was chosen at creation; paths take the app id alone.
* Only an inactive app can be deleted.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar, cast

from . import okta_app_json
from .okta_call import answer_empty, answer_json, page_links
from .okta_errors import enveloped, invalid, management_error, not_found
from .okta_log import target_of
from .okta_scim import ScimError, parse
from .okta_secrets import GENERATED_LENGTH, Slots, place
from .okta_state import AUTH_METHODS, SECRET_METHODS, OktaApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .http import Response
    from .okta_call import Call
    from .okta_log import Origin
    from .okta_org import Org

DEFAULT_PAGE, LARGEST_PAGE = 20, 200
FILTERABLE = frozenset({"id", "status", "credentials.signing.kid", "settings.slo.enabled", "name"})
Item = TypeVar("Item")
_CLIENT_ID = re.compile(r"[A-Za-z0-9$\-_.+!*'(),]{6,100}")


def answer_list(org: Org, call: Call) -> Response:
    limit = _page_size(call)
    matching = _matching(org, call)
    page = list(islice(matching, limit))
    more = next(matching, None) is not None
    links = page_links(call.request, after=page[-1].id, limit=str(limit)) if more else page_links(call.request)
    return answer_json(200, [okta_app_json.document(app, call.request.base_url) for app in page], links)


def answer_get(org: Org, call: Call) -> Response:
    return answer_json(200, okta_app_json.document(org.visible_app(call), call.request.base_url))


def answer_create(org: Org, call: Call) -> Response:
    assert call.principal
    assert call.principal.role
    if call.principal.role.apps is not None:
        raise management_error("E0000006")
    app = _wanted(org, call)
    secret = _first_secret(org, app, call=call)
    org.enlist(app)
    tell_lifecycle(org, app, what="create", origin=call.origin())
    if call.request.param("activate") == "false":
        app.status = "INACTIVE"
    return answer_json(200, okta_app_json.document(app, call.request.base_url, secret=secret))


def answer_activate(org: Org, call: Call) -> Response:
    return _switch(org, call, what="activate", status="ACTIVE")


def answer_deactivate(org: Org, call: Call) -> Response:
    return _switch(org, call, what="deactivate", status="INACTIVE")


def answer_delete(org: Org, call: Call) -> Response:
    app = org.visible_app(call)
    if app.status != "INACTIVE":
        raise enveloped(403, "E0000056", "Delete application forbidden.", "The application must be deactivated first.")
    remove(org, app, origin=call.origin())
    return answer_empty(204)


def answer_client(org: Org, call: Call) -> Response:
    """Answer `/oauth2/v1/clients/{client}`, which knows client ids and not app ids (contracts: Okta 2.2)."""
    assert call.principal
    assert call.principal.role
    app = org.clients.get(call.args["client"])
    if app is None or not call.principal.role.sees(app):
        raise not_found(call.args["client"], "OAuth2Client")
    return answer_json(200, okta_app_json.client_document(app))


def switch(org: Org, app: OktaApp, *, what: str, origin: Origin) -> None:
    """Activate or deactivate an app."""
    app.status = "ACTIVE" if what == "activate" else "INACTIVE"
    app.updated = org.clock.now().replace(microsecond=0)
    tell_lifecycle(org, app, what=what, origin=origin)


def remove(org: Org, app: OktaApp, *, origin: Origin) -> None:
    """Delete an app."""
    org.strike(app)
    tell_lifecycle(org, app, what="delete", origin=origin)


def tell_lifecycle(org: Org, app: OktaApp, *, what: str, origin: Origin) -> None:
    """Write what happened to an app and to its client into the log."""
    for subject in ("application", "app.oauth2.client"):
        if subject == "application" or app.sign_on_mode == "OPENID_CONNECT":
            kind = f"{subject}.lifecycle.{what}"
            org.log.record(kind, origin, now=org.clock.now(), targets=(target_of(app),))


def _switch(org: Org, call: Call, *, what: str, status: str) -> Response:
    app = org.visible_app(call)
    if app.status != status:
        switch(org, app, what=what, origin=call.origin())
    return answer_json(200, {})


def _page_size(call: Call) -> int:
    asked = call.request.param("limit")
    if asked is None or asked == "-1":
        return DEFAULT_PAGE
    if not asked.isdigit() or asked == "0":
        raise invalid("limit", "limit: The limit must be a number between 1 and 200.")
    return min(int(asked), LARGEST_PAGE)


def _matching(org: Org, call: Call) -> Iterator[OktaApp]:
    assert call.principal
    role = call.principal.role
    assert role
    start = _position(org, call.request.param("after"))
    wanted, prefix = _filter(call), (call.request.param("q") or "").lower()
    for app in org.apps.values():
        if org.order[app.id] <= start or not role.sees(app) or not wanted(app):
            continue
        if app.label.lower().startswith(prefix) or app.name.lower().startswith(prefix):
            yield app


def _position(org: Org, cursor: str | None) -> int:
    if cursor is None:
        return -1
    if cursor not in org.order:
        raise management_error("E0000029", "Invalid cursor.")
    return org.order[cursor]


def _filter(call: Call) -> Callable[[OktaApp], bool]:
    text = call.request.param("filter")
    if text is None:
        return lambda _app: True
    try:
        predicate = parse(text, attributes=FILTERABLE.__contains__)
    except ScimError as unclear:
        raise management_error("E0000031", str(unclear)) from unclear
    return lambda app: predicate(lambda path: okta_app_json.filterable(app, path))


def _wanted(org: Org, call: Call) -> OktaApp:
    """Read the app that a create asks for."""
    body = call.body()
    label, mode = body.get("label"), body.get("signOnMode")
    if not isinstance(label, str) or not label:
        raise invalid("label", "label: The field cannot be left blank")
    if mode != "OPENID_CONNECT":
        raise invalid("signOnMode", "signOnMode: Only OPENID_CONNECT apps can be made in the sandbox")
    credentials = _object(body, "credentials", "oauthClient")
    settings = _object(body, "settings", "oauthClient")
    method = credentials.get("token_endpoint_auth_method", "client_secret_basic")
    if method not in AUTH_METHODS:
        raise management_error("E0000003")
    now, app_id = call.now.replace(microsecond=0), org.new_id("0oa")
    client_id = credentials.get("client_id") or app_id
    _check_client_id(org, client_id)
    return OktaApp(
        app_id,
        client_id,
        label,
        created=now,
        updated=now,
        name=body.get("name") or "oidc_client",
        auth_method=method,
        app_type=settings.get("application_type") or "web",
        grant_types=_list_of(str, settings.get("grant_types")) or ("authorization_code",),
        redirect_uris=_list_of(str, settings.get("redirect_uris")),
        dpop_bound=settings.get("dpop_bound_access_tokens") is True,
        keys=_list_of(dict, _object(settings, "jwks").get("keys")),
    )


def _check_client_id(org: Org, client_id: object) -> None:
    if not isinstance(client_id, str) or not _CLIENT_ID.fullmatch(client_id) or client_id == "ALL_CLIENTS":
        raise invalid("client_id", "client_id: 'client_id' is invalid.")
    if client_id in org.clients:
        raise invalid("client_id", "client_id: An object with this field already exists in the current organization")


def _first_secret(org: Org, app: OktaApp, *, call: Call) -> str | None:
    if app.auth_method not in SECRET_METHODS:
        return None
    value = _object(call.body(), "credentials", "oauthClient").get("client_secret")
    if not isinstance(value, str | None):
        raise management_error("E0000003")
    if value is not None:
        Slots(org, app, call.origin()).check_value(value)
    secret = place(org, app, value=value or org.new_text(GENERATED_LENGTH), now=call.now, active=True)
    return secret.value


def _object(body: dict[str, Any], *path: str) -> dict[str, Any]:
    """Return the object at a path of the body; empty where there is none."""
    node: Any = body
    for name in path:
        node = node.get(name)
        if node is None:
            return {}
        if not isinstance(node, dict):
            raise management_error("E0000003")
    return cast("dict[str, Any]", node)


def _list_of(kind: type[Item], found: object) -> tuple[Item, ...]:
    if found is None:
        return ()
    if not isinstance(found, list) or not all(isinstance(item, kind) for item in found):
        raise management_error("E0000003")
    return tuple(found)
