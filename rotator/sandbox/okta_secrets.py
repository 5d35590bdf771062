"""The client secrets of an app: `/api/v1/apps/{app}/credentials/secrets` (contracts: Okta 1).

* An app holds two at most, active and inactive together. A new one is active unless told otherwise.
* The only active one cannot be deactivated, an active one cannot be deleted: the last secret always stays.
* A value may be brought: 14 to 100 printable ASCII characters, at least 32 for `client_secret_jwt`; else Okta makes
  one of 64. Apps that authenticate with a key or not at all take none.
* Nothing is idempotent about create: a repeated POST makes a second secret.
* `created` never changes, `lastUpdated` moves with each change of status.
* Every answer shows the plaintext, also of an inactive secret, and reading is written into the System Log.
* The token endpoints follow a change of status after a delay; so does the list after a create.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .okta_call import answer_empty, answer_json, seconds
from .okta_errors import SECRET, management_error, not_found, secret_refused
from .okta_log import target_of
from .okta_state import SECRET_METHODS, Acceptance, ClientSecret

if TYPE_CHECKING:
    from datetime import datetime

    from .http import Response
    from .okta_call import Call
    from .okta_errors import OktaError
    from .okta_log import Origin
    from .okta_org import Org
    from .okta_state import OktaApp

SLOTS = 2
GENERATED_LENGTH = 64


@dataclass(frozen=True, slots=True)
class Slots:
    """The two slots of an app, and the rules of changing them. `origin` is who changes them and from where."""

    org: Org
    app: OktaApp
    origin: Origin

    def create(self, *, value: str | None = None, active: bool = True) -> ClientSecret:
        """Add a secret, with a value of Okta's or of the caller's."""
        if self.app.auth_method not in SECRET_METHODS:
            raise self._refused("no_secret_wanted", method=self.app.auth_method)
        if value is not None:
            self.check_value(value)
        if len(self.app.secrets) >= SLOTS:
            raise self._refused("slots_full")
        now = self.org.clock.now()
        secret = place(self.org, self.app, value=value or self.org.new_text(GENERATED_LENGTH), now=now, active=active)
        secret.shown_from = now + timedelta(seconds=self.org.settings.list_lag)
        self._tell("create", secret)
        return secret

    def activate(self, secret: ClientSecret) -> None:
        """Switch a secret on."""
        if secret.active:
            return self._same_state("already_active")
        now = self.org.clock.now()
        secret.active, secret.updated = True, now.replace(microsecond=0)
        accept(self.org, self.app, secret=secret, now=now)
        return self._tell("activate", secret)

    def deactivate(self, secret: ClientSecret) -> None:
        """Switch a secret off, if another one is on."""
        if not secret.active:
            return self._same_state("already_inactive")
        if sum(other.active for other in self.app.secrets) == 1:
            raise self._refused("only_active")
        now = self.org.clock.now()
        secret.active, secret.updated = False, now.replace(microsecond=0)
        end = now + timedelta(seconds=self.org.settings.deactivate_delay)
        for span in self.app.acceptances:
            if span.secret_id == secret.id and span.until is None:
                span.until = end
        return self._tell("deactivate", secret)

    def delete(self, secret: ClientSecret) -> None:
        """Remove an inactive secret for good."""
        if secret.active:
            raise self._refused("still_active")
        self.app.secrets.remove(secret)
        self._tell("delete", secret)

    def named(self, secret_id: str, *, now: datetime) -> ClientSecret:
        """Return the secret with that id, if it shows already."""
        for secret in self.app.secrets:
            if secret.id == secret_id and secret.shown_from <= now:
                return secret
        raise not_found(secret_id, SECRET)

    def _refused(self, rule: str, **values: str) -> OktaError:
        return secret_refused(rule, self.org.settings, **values)

    def _same_state(self, rule: str) -> None:
        if self.org.settings.same_state == "refused":
            raise self._refused(rule)

    def check_value(self, value: str) -> None:
        if len(value) > 100:
            raise self._refused("too_long")
        if self.app.auth_method == "client_secret_jwt" and len(value) < 32:
            raise self._refused("too_short_for_jwt")
        if len(value) < 14:
            raise self._refused("too_short")
        if not all(" " <= character <= "~" for character in value):
            raise self._refused("not_printable")
        if value in self._taken():
            raise self._refused("not_unique")

    def _taken(self) -> set[str]:
        match self.org.settings.unique_secrets:
            case "none":
                return set()
            case "app":
                return {secret.value for secret in self.app.secrets}
            case "org":
                return {secret.value for app in self.org.apps.values() for secret in app.secrets}

    def _tell(self, what: str, secret: ClientSecret) -> None:
        detail: dict[str, Any] = {
            "ClientCredentialsType": "secret",
            "ClientId": self.app.client_id,
            "ClientName": self.app.label,
            "Status": secret.status,
            "DateCreated": seconds(secret.created),
            "TokenEndpointAuthMethod": self.app.auth_method,
            "ApplicationType": self.app.app_type,
        }
        if (logged := self.org.logged_hash(secret.value)) is not None:
            detail["ClientSecret"] = logged
        if self.org.settings.log_detail_keys == "lower":
            detail = {key.lower(): value for key, value in detail.items()}
        kind = f"app.oauth2.credentials.lifecycle.{what}"
        self.org.log.record(kind, self.origin, now=self.org.clock.now(), targets=(target_of(self.app, detail),))


def place(org: Org, app: OktaApp, *, value: str, now: datetime, active: bool) -> ClientSecret:
    """Put a secret into a slot, without asking and without telling."""
    at = now.replace(microsecond=0)
    secret = ClientSecret(org.new_id("ocs"), value, created=at, updated=at, active=active, shown_from=at)
    app.secrets.append(secret)
    if active:
        accept(org, app, secret=secret, now=now)
    return secret


def accept(org: Org, app: OktaApp, *, secret: ClientSecret, now: datetime) -> None:
    """Let the token endpoints take a secret, as soon as they hear of it."""
    app.acceptances = [span for span in app.acceptances if span.until is None or span.until > now]
    since = now + timedelta(seconds=org.settings.create_delay)
    app.acceptances.append(Acceptance(secret.id, secret.value, since))


# --- The calls --------------------------------------------------------------------------------------------


def answer_list(org: Org, call: Call) -> Response:
    app = org.visible_app(call)
    shown = [secret for secret in app.secrets if secret.shown_from <= call.now]
    match org.settings.list_order:
        case "newest_first":
            shown.reverse()
        case "by_id":
            shown.sort(key=lambda secret: secret.id)
        case "oldest_first":
            pass
    if shown:
        _tell_read(org, app, call=call)
    return answer_json(200, [_document(org, call, app=app, secret=secret) for secret in shown])


def answer_get(org: Org, call: Call) -> Response:
    slots, secret = _named(org, call)
    _tell_read(org, slots.app, call=call)
    return answer_json(200, _document(org, call, app=slots.app, secret=secret))


def answer_create(org: Org, call: Call) -> Response:
    app = org.visible_app(call)
    body = call.body()
    value, status = body.get("client_secret"), body.get("status") or "ACTIVE"
    if not isinstance(value, str | None) or status not in ("ACTIVE", "INACTIVE"):
        raise management_error("E0000003")
    secret = Slots(org, app, call.origin()).create(value=value, active=status == "ACTIVE")
    return answer_json(201, _document(org, call, app=app, secret=secret, made=True))


def answer_activate(org: Org, call: Call) -> Response:
    slots, secret = _named(org, call)
    slots.activate(secret)
    return answer_json(200, _document(org, call, app=slots.app, secret=secret))


def answer_deactivate(org: Org, call: Call) -> Response:
    slots, secret = _named(org, call)
    slots.deactivate(secret)
    return answer_json(200, _document(org, call, app=slots.app, secret=secret))


def answer_delete(org: Org, call: Call) -> Response:
    slots, secret = _named(org, call)
    slots.delete(secret)
    return answer_empty(204)


def _named(org: Org, call: Call) -> tuple[Slots, ClientSecret]:
    slots = Slots(org, org.visible_app(call), call.origin())
    return slots, slots.named(call.args["secret"], now=call.now)


def _tell_read(org: Org, app: OktaApp, *, call: Call) -> None:
    org.log.record("app.oauth2.client.read_client_secret", call.origin(), now=call.now, targets=(target_of(app),))


def _document(org: Org, call: Call, *, app: OktaApp, secret: ClientSecret, made: bool = False) -> dict[str, Any]:
    assert call.principal
    assert call.principal.role
    document: dict[str, Any] = {
        "id": secret.id,
        "created": seconds(secret.created),
        "lastUpdated": seconds(secret.updated),
        "status": secret.status,
    }
    how = org.settings.plaintext
    if how == "shown" and not call.principal.role.view_secrets:
        how = org.settings.without_view_permission
    if made or how == "shown":
        document["client_secret"] = secret.value
    elif how == "masked":
        document["client_secret"] = f"***{secret.value[-4:]}"
    document["secret_hash"] = org.hash_of(secret.value)
    document["_links"] = _links(app, secret, base_url=call.request.base_url)
    return document


def _links(app: OktaApp, secret: ClientSecret, *, base_url: str) -> dict[str, Any]:
    here = f"{base_url}/api/v1/apps/{app.id}/credentials/secrets/{secret.id}"
    if secret.active:
        return {"deactivate": {"href": f"{here}/lifecycle/deactivate", "hints": {"allow": ["POST"]}}}
    return {
        "activate": {"href": f"{here}/lifecycle/activate", "hints": {"allow": ["POST"]}},
        "delete": {"href": here, "hints": {"allow": ["DELETE"]}},
    }
