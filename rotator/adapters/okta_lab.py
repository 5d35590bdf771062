"""The OktaLab port: the org's API and its token endpoints, tried out.

* What is asked goes out once and comes back as it is: here a refusal is an answer. Only what is gone already counts as
  removed.
* An event is taken apart as far as somebody looks at it; of a secret it has a hash at most.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from rotator.core.certification.notes import Client, Event, Labelled, RawSecret
from rotator.core.model import AppId, ClientId, SecretId
from rotator.core.secret_value import SecretValue
from rotator.errors import MissingError, RefusedError, UnavailableError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from rotator.adapters.okta_probe import OktaProbe
    from rotator.adapters.okta_session import OktaSession
    from rotator.core.diagnosis.evidence import Answer, Asked

APPS = "/api/v1/apps"
MOST_EVENTS = 1000
PERCENT = "%41%2d"  # decoded: `A-`


class OktaLaboratory:
    """One org."""

    def __init__(self, session: OktaSession, probe: OktaProbe) -> None:
        """Talk through these; whoever made them closes them."""
        self._session = session
        self._probe = probe
        self._org = session.connection.host

    @property
    def us(self) -> str | None:
        """Our client id there."""
        return self._session.our_client_id

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock was ahead of Okta's when it last answered."""
        return self._session.clock_ahead

    def limits(self) -> Mapping[str, int]:
        """Return the calls a minute that answers told of, by bucket."""
        return {name: window.limit for name, window in self._session.windows.items()}

    async def sign_in(self) -> frozenset[str]:
        """Sign in unless we are; return the scopes of our token."""
        return await self._session.sign_in()

    async def has_server(self, name: str) -> bool:
        """Say whether there is a custom authorization server of that name or id."""
        path = f"/oauth2/{quote(name, safe='')}/.well-known/oauth-authorization-server"
        try:
            await self._session.read(lambda client: client.fetch_openly(path))
        except RefusedError:  # there is none, or no licence for any
            return False
        return True

    # --- apps -------------------------------------------------------------------------------------------------

    async def apps_labelled(self, prefix: str) -> tuple[Labelled, ...]:
        """Return the apps whose label begins so."""
        query = urlencode({"q": prefix, "limit": "200"})
        page = await self._session.read(lambda client: client.fetch(f"{APPS}?{query}"))
        found = [item for item in self._listed(page.document) if str(item.get("label")).startswith(prefix)]
        return tuple(Labelled(AppId(str(item["id"])), str(item["label"]), _time(item.get("created"))) for item in found)

    async def make_app(
        self, label: str, value: SecretValue, *, client_id: str | None = None, dpop_bound: bool = False
    ) -> Client:
        """Make a service app with that secret."""
        body = _service_app(label, value, client_id=client_id, dpop_bound=dpop_bound)
        answer = await self._session.write(lambda client: client.send("POST", APPS, body))
        try:
            document = answer.document()
            client_id = str(document["credentials"]["oauthClient"]["client_id"])
            return Client(AppId(str(document["id"])), ClientId(client_id), label)
        except (KeyError, TypeError, ValueError):
            pass  # what is wrong with it may quote the secret
        raise UnknownOutcomeError(f"okta {self._org}: answered {answer.status} to a new app, but not with an app")

    async def switch_app_off(self, app: AppId) -> None:
        """Deactivate the app."""
        await self._remove(lambda client: client.send("POST", f"{_of(app)}/lifecycle/deactivate"))

    async def delete_app(self, app: AppId) -> None:
        """Delete an inactive app."""
        await self._remove(lambda client: client.send("DELETE", _of(app)))

    # --- secrets ----------------------------------------------------------------------------------------------

    async def list_secrets(self, app: AppId) -> tuple[RawSecret, ...]:
        """Return both slots, in Okta's order."""
        page = await self._session.read(lambda client: client.fetch(f"{_of(app)}/credentials/secrets"))
        return tuple(self._secret(item) for item in self._listed(page.document))

    async def get_secret(self, app: AppId, secret: SecretId) -> RawSecret:
        """Return one."""
        page = await self._session.read(lambda client: client.fetch(_of(app, secret)))
        return self._secret(page.document)

    async def create_secret(self, app: AppId, value: SecretValue) -> RawSecret:
        """Register the value."""
        body = {"client_secret": value.reveal()}
        answer = await self._session.write(lambda client: client.send("POST", f"{_of(app)}/credentials/secrets", body))
        try:
            return self._secret(answer.document())
        except (ValueError, UnavailableError):
            pass
        raise UnknownOutcomeError(f"okta {self._org}: answered {answer.status} to a new secret, but not with one")

    async def switch_secret(self, app: AppId, secret: SecretId, *, on: bool) -> None:
        """Switch it on or off."""
        turn = "activate" if on else "deactivate"
        await self._session.write(lambda client: client.send("POST", f"{_of(app, secret)}/lifecycle/{turn}"))

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        """Delete it."""
        await self._session.write(lambda client: client.send("DELETE", _of(app, secret)))

    @staticmethod
    def with_percent_signs(value: SecretValue) -> SecretValue:
        """Return a secret of which a server that decodes percent signs reads another one."""
        return SecretValue(value.reveal()[:40] + PERCENT)

    # --- the log, and clients ---------------------------------------------------------------------------------

    async def events(self, names: Sequence[str], since: datetime) -> tuple[Event, ...]:
        """Return the events that these ids are the actor or a target of, oldest first."""
        wanted = " or ".join(f'actor.id eq "{name}" or target.id eq "{name}"' for name in names)
        asked = {
            "since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "filter": wanted,
            "sortOrder": "ASCENDING",
            "limit": str(MOST_EVENTS),
        }
        page = await self._session.read(lambda client: client.fetch(f"/api/v1/logs?{urlencode(asked)}"))
        return tuple(_event(item) for item in self._listed(page.document))

    async def ask(self, asked: Asked, value: SecretValue, *, both_ways: bool = False) -> Answer:
        """Send a client's request, once."""
        return await self._probe.ask(asked, value, both_ways=both_ways)

    async def _remove(self, ask: Any) -> None:
        try:
            await self._session.write(ask)
        except MissingError:
            return

    def _listed(self, document: object) -> list[dict[str, Any]]:
        if not isinstance(document, list) or not all(isinstance(item, dict) for item in document):
            raise UnavailableError(f"okta {self._org}: answered with something else than a list")
        return document

    def _secret(self, item: Any) -> RawSecret:
        try:
            plain, created = item.get("client_secret"), _time(item["created"])
            assert created is not None
            return RawSecret(
                SecretId(str(item["id"])),
                item["status"] == "ACTIVE",
                created,
                str(item["secret_hash"]),
                SecretValue(plain) if isinstance(plain, str) and plain else None,
            )
        except (AssertionError, AttributeError, KeyError, TypeError, ValueError):
            pass  # what is wrong with it may quote the secret
        raise UnavailableError(f"okta {self._org}: answered with something that is no secret as we know them")


def _of(app: AppId, secret: SecretId | None = None) -> str:
    here = f"{APPS}/{quote(app, safe='')}"
    return here if secret is None else f"{here}/credentials/secrets/{quote(secret, safe='')}"


def _service_app(label: str, value: SecretValue, *, client_id: str | None, dpop_bound: bool) -> dict[str, Any]:
    client = {"token_endpoint_auth_method": "client_secret_basic", "client_secret": value.reveal()}
    settings: dict[str, Any] = {
        "application_type": "service",
        "grant_types": ["client_credentials"],
        "response_types": ["token"],
    }
    return {
        "name": "oidc_client",
        "label": label,
        "signOnMode": "OPENID_CONNECT",
        "credentials": {"oauthClient": client | ({"client_id": client_id} if client_id else {})},
        "settings": {"oauthClient": settings | ({"dpop_bound_access_tokens": True} if dpop_bound else {})},
    }


def _event(item: Mapping[str, Any]) -> Event:
    actor, outcome = _inner(item, "actor"), _inner(item, "outcome")
    debug = _inner(_inner(item, "debugContext"), "debugData")
    targets = [each for each in item.get("target") or () if isinstance(each, dict)]
    details = [detail for each in targets if (detail := _inner(each, "detailEntry"))]
    names = [name for detail in details for name in detail]
    return Event(
        kind=str(item.get("eventType")),
        id=str(item.get("uuid")),
        targets=frozenset(str(each.get(key)) for each in targets for key in ("id", "alternateId")),
        actor=(str(actor.get("id")), str(actor.get("alternateId"))),
        agent=str(_inner(_inner(item, "client"), "userAgent").get("rawUserAgent") or ""),
        failed=outcome.get("result") == "FAILURE",
        reason=str(outcome.get("reason") or ""),
        hash=next((text for fields in (*details, debug) if (text := _hash(fields))), None),
        keys_in_lower_case=all(name == name.lower() for name in names) if names else None,
        request_id=str(debug.get("requestId") or "") or None,
    )


def _hash(fields: Mapping[str, Any]) -> str | None:
    """Return what stands there under the name of a client secret, which is a hash."""
    found = (text for name, text in fields.items() if name.lower() == "clientsecret" and isinstance(text, str))
    return next(found, None)


def _inner(item: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def _time(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
