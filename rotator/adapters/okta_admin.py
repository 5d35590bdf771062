"""The OktaAdmin port over the okta SDK (`okta_sdk`).

* Answers are read as raw JSON and tolerantly: an app with an unknown feature must not hide the page it is on.
* A secret leaves this module as a `SecretValue` or not at all; a masked one (`***`) counts as hidden.
* The wanted end state is success, whether Okta says 200, 400 or 404 (contracts: Okta 1.4).
* `next` links are followed as they are, but only to the org's own origin: our login goes with them.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from rotator.core.model import App, AppId, AuthMethod, ClientId, OktaSecret, SecretId, SecretStatus
from rotator.core.secret_value import SecretValue
from rotator.errors import (
    InvariantError,
    MissingError,
    RefusedError,
    RotatorError,
    UnavailableError,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
    from datetime import timedelta

    from rotator.adapters.okta_answers import Answer, Page
    from rotator.adapters.okta_sdk import NarrowClient
    from rotator.adapters.okta_session import OktaSession

PAGE = 200  # Okta's maximum for apps
MOST_PAGES = 1000
MAY_BE_DONE = frozenset({"E0000001", "only_active"})  # what Okta says to a repeated change is not documented
MASKS = ("***", "...", "\N{HORIZONTAL ELLIPSIS}")


class OktaSdkAdmin:
    """The apps and secrets of one org."""

    def __init__(self, session: OktaSession) -> None:
        """Talk through `session`; whoever made it closes it."""
        self._session = session
        self._org = session.connection.host

    @property
    def clock_ahead(self) -> timedelta:
        """How far our clock was ahead of Okta's when it last answered."""
        return self._session.clock_ahead

    async def get_app(self, app: AppId) -> App | None:
        """Return the app; None if there is none."""
        try:
            page = await self._session.read(lambda client: client.fetch(f"/api/v1/apps/{quote(app, safe='')}"))
        except MissingError:
            return None
        return self._app(page.document)

    async def list_apps(self, *, pages: int | None = None) -> AsyncIterator[App]:
        """Yield every OpenID Connect app, page by page; of the first so many pages if that is said."""
        page = await self._session.read(lambda client: client.call(client.list_applications, limit=PAGE))
        for read in range(1, MOST_PAGES + 1):
            for item in self._items(page):
                if isinstance(item, dict) and item.get("signOnMode") == "OPENID_CONNECT":
                    yield self._app(item)
            if page.next_link is None or read == pages:
                return
            page = await self._next_page(page.next_link)
        raise InvariantError(f"okta {self._org}: the list of apps does not end")

    async def list_secrets(self, app: AppId) -> tuple[OktaSecret, ...]:
        """Return both slots."""
        page = await self._session.read(lambda client: client.call(client.list_o_auth2_client_secrets, app))
        return tuple(self._secret(item) for item in self._items(page))

    async def create_secret(self, app: AppId, value: SecretValue) -> OktaSecret:
        """Register `value`, once."""

        async def ask(client: NarrowClient) -> Answer:
            from rotator.adapters.okta_sdk import new_secret  # noqa: PLC0415 -- heavy

            return await client.call(client.create_o_auth2_client_secret, app, new_secret(value))

        return self._written(await self._session.write(ask))

    async def activate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        """Switch the secret on."""
        return await self._switch(
            lambda client: client.call(client.activate_o_auth2_client_secret, app, secret),
            app,
            secret,
            wanted=SecretStatus.ACTIVE,
        )

    async def deactivate_secret(self, app: AppId, secret: SecretId) -> OktaSecret:
        """Switch the secret off."""
        return await self._switch(
            lambda client: client.call(client.deactivate_o_auth2_client_secret, app, secret),
            app,
            secret,
            wanted=SecretStatus.INACTIVE,
        )

    async def delete_secret(self, app: AppId, secret: SecretId) -> None:
        """Remove the secret."""
        try:
            answer = await self._session.write(
                lambda client: client.call(client.delete_o_auth2_client_secret, app, secret)
            )
        except MissingError:
            return
        if answer.status != 204:
            raise UnknownOutcomeError(f"okta {self._org}: answered {answer.status} to a deletion, not 204")

    async def _switch(
        self, ask: Callable[[NarrowClient], Awaitable[Answer]], app: AppId, secret: SecretId, *, wanted: SecretStatus
    ) -> OktaSecret:
        try:
            answer = await self._session.write(ask)
        except RefusedError as refused:
            return await self._already(app, secret, wanted=wanted, refused=refused)
        return self._written(answer)

    async def _already(
        self, app: AppId, secret: SecretId, *, wanted: SecretStatus, refused: RefusedError
    ) -> OktaSecret:
        """Return the secret if it is in the wanted state in spite of the refusal; else refuse."""
        if refused.code not in MAY_BE_DONE:
            raise refused
        try:
            page = await self._session.read(lambda client: client.call(client.get_o_auth2_client_secret, app, secret))
            found = self._secret(page.document)
        except RotatorError:
            raise refused from None
        if found.status is not wanted:
            raise refused
        return found

    async def _next_page(self, link: str) -> Page:
        if not self._session.connection.same_origin(link):
            raise InvariantError(
                f"okta {self._org}: the next page of apps is said to lie on another host",
                hint="Check org_url: it must be the org's own address, not a custom domain in front of it.",
            )
        parts = urlsplit(link)
        return await self._session.read(lambda client: client.fetch(f"{parts.path}?{parts.query}"))

    def _items(self, page: Page) -> list[Any]:
        if not isinstance(page.document, list):
            raise UnavailableError(f"okta {self._org}: answered with something else than a list")
        return page.document

    def _written(self, answer: Answer) -> OktaSecret:
        try:
            return self._secret(answer.document())
        except (ValueError, UnavailableError):
            pass
        raise UnknownOutcomeError(f"okta {self._org}: answered {answer.status} to a change, but not with a secret")

    def _secret(self, item: Any) -> OktaSecret:
        try:
            return _secret_of(item)
        except (KeyError, TypeError, ValueError):
            pass  # what is wrong with it may quote the secret
        raise UnavailableError(f"okta {self._org}: answered with something that is no secret as we know them")

    def _app(self, item: Any) -> App:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            raise UnavailableError(f"okta {self._org}: answered with something that is no app")
        return _app_of(item)


def _secret_of(item: Mapping[str, Any]) -> OktaSecret:
    return OktaSecret(
        id=SecretId(_string(item["id"])),
        status=SecretStatus(item["status"]),
        created=_time(item["created"]),
        changed=_time(item["lastUpdated"]),
        hash=_string(item["secret_hash"]),
        value=_shown(item.get("client_secret")),
    )


def _shown(text: object) -> SecretValue | None:
    if not isinstance(text, str) or not text or any(mask in text for mask in MASKS):
        return None
    return SecretValue(text)


def _app_of(item: Mapping[str, Any]) -> App:
    client, settings = _inner(item, "credentials", "oauthClient"), _inner(item, "settings", "oauthClient")
    grants = settings.get("grant_types")
    return App(
        id=AppId(item["id"]),
        label=str(item.get("label") or ""),
        status=str(item.get("status") or ""),
        sign_on_mode=str(item.get("signOnMode") or ""),
        client_id=ClientId(str(client.get("client_id") or item["id"])),
        auth_method=_auth_method(client.get("token_endpoint_auth_method")),
        application_type=str(settings.get("application_type") or ""),
        grant_types=frozenset(str(grant) for grant in grants) if isinstance(grants, list) else frozenset(),
        dpop_bound=settings.get("dpop_bound_access_tokens") is True,
        created=_time_if_any(item.get("created")),
    )


def _inner(item: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    inner: Any = item
    for name in names:
        inner = inner.get(name) if isinstance(inner, dict) else None
    return inner if isinstance(inner, dict) else {}


def _auth_method(word: object) -> AuthMethod:
    try:
        return AuthMethod(word)
    except ValueError:
        return AuthMethod.OTHER


def _string(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _time_if_any(value: object) -> datetime | None:
    try:
        return _time(value)
    except (TypeError, ValueError):
        return None


def _time(value: object) -> datetime:
    moment = datetime.fromisoformat(_string(value))
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
