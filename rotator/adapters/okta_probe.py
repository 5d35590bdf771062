"""The Probe port: one request of an application, sent as it sends it.

* Exactly that request goes out, once: a value that cannot be right is sent all the same, for that is the question.
* A token that comes is revoked at once, as well as that goes.
* What Okta says is one printable line, in which neither the value nor its Basic header can stand.
"""

from __future__ import annotations

import base64
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import quote

from rotator.adapters.okta_answers import clean
from rotator.adapters.okta_http import Lost, client_auth
from rotator.core.diagnosis.evidence import INTROSPECTION, Answer

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.adapters.okta_http import Came, Outside
    from rotator.core.diagnosis.evidence import Asked
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Clock

NEVER_GIVEN = "rotator-probe"  # a token, or a code, that never was one
ASSERTION_LIFE = 300  # seconds
TOLD = frozenset({"www-authenticate", "dpop-nonce", "x-rate-limit-reset", "x-rate-limit-limit", "retry-after"})


class OktaProbe:
    """The token endpoints, as applications meet them."""

    def __init__(self, outside: Outside, clock: Clock) -> None:
        """Ask through `outside`; whoever made it closes it."""
        self._outside = outside
        self._clock = clock

    async def ask(self, asked: Asked, value: SecretValue, *, both_ways: bool = False) -> Answer:
        """Send it and say what came. `both_ways`: the secret stands in the form as well."""
        twice = {"client_id": asked.client_id, "client_secret": value.reveal()} if both_ways else {}
        came = await self._send(asked, value, asked.url, _form(asked) | twice)
        if isinstance(came, Lost):
            return Answer(lost=clean(came.reason))
        token = (came.document or {}).get("access_token")
        if isinstance(token, str) and asked.grant != INTROSPECTION:
            await self._send(asked, value, f"{asked.url.removesuffix('token')}revoke", {"token": token})
        return self._answer(came, hide=_hidden(asked, value))

    async def _send(self, asked: Asked, value: SecretValue, url: str, form: dict[str, str]) -> Came | Lost:
        issued = int(self._clock.now().timestamp())
        auth = client_auth(asked.client_id, value, asked.method, issued=issued, life=ASSERTION_LIFE)
        return await self._outside.ask("POST", url, form=form, auth=auth)

    def _answer(self, came: Came, *, hide: tuple[str, ...]) -> Answer:
        said = came.document or {}
        words = [said.get(name) for name in ("error", "errorCode", "error_description", "errorSummary")]
        error, code, described, summary = (clean(word, hide=hide) if isinstance(word, str) else "" for word in words)
        return Answer(
            status=came.status,
            error=error or code,
            description=described or summary,
            json=came.document is not None,
            token="access_token" in said,
            introspected=isinstance(said.get("active"), bool),
            headers={name: clean(text, hide=hide) for name, text in came.headers.items() if name in TOLD},
            request_id=came.request_id,
            skew=self._skew(came),
        )

    def _skew(self, came: Came) -> timedelta | None:
        try:
            return parsedate_to_datetime(came.headers.get("date", "")) - self._clock.now()
        except (TypeError, ValueError):
            return None


def _form(asked: Asked) -> dict[str, str]:
    if asked.grant == INTROSPECTION:
        return {"token": NEVER_GIVEN, "token_type_hint": "access_token"}
    form = {"grant_type": asked.grant} | ({"scope": asked.scope} if asked.scope else {})
    match asked.grant:
        case "authorization_code":
            form |= {"code": NEVER_GIVEN, "redirect_uri": "https://localhost/callback"}
        case "refresh_token":
            form["refresh_token"] = NEVER_GIVEN
    return form


def _hidden(asked: Asked, value: SecretValue) -> tuple[str, ...]:
    clear = value.reveal()
    pair = base64.b64encode(f"{asked.client_id}:{clear}".encode()).decode()
    return tuple({text for text in (clear, clear.strip(), quote(clear, safe=""), pair) if text})
