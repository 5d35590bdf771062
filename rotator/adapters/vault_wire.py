"""One question to Vault and its answer: hvac over a session of our own, in a thread.

* Nothing is taken from the environment: address and token are always given (contracts: Vault 5.3).
* Redirects are not followed: hvac would send the token to wherever they lead.
* A call ends within `answer_within`, and its thread soon after: the connection is cut under it.
* Of an error only Vault's own words are kept, without what the request held in secret. Bodies are bounded.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

import hvac
from hvac.adapters import JSONAdapter, RawAdapter
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from rotator.adapters.vault_answers import NOT_VAULT_HINT, Question, Refusal, error_of, nothing_there, said_by
from rotator.adapters.vault_session import CURRENT_CALL, Call, EndlessError, Reply, VaultSession
from rotator.core import requests as requests_made
from rotator.errors import RefusedError, RotatorError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from rotator.adapters.vault_connection import VaultConnection
    from rotator.ports import Clock

R = TypeVar("R")

NAMES = frozenset({"role", "versions", "cas"})  # of a request's fields, those that errors may repeat


class NotVaultError(Exception):
    """A success that is no JSON object. Its text is ours."""


class VaultAdapter(JSONAdapter):  # type: ignore[misc]  # hvac is untyped
    """Bodies read by us, whatever their content type says; errors that know their status (contracts: Vault 5.5)."""

    def request(self, method: str, url: str, headers: dict[str, str] | None = None, **kwargs: Any) -> Any:
        reply: Reply = RawAdapter.request(self, method, url, headers, **kwargs)
        if (call := CURRENT_CALL.get()) is not None:
            call.answered_at = _date_of(reply)
        if reply.status == 204:
            return {}
        document = _object(reply.body)
        if not 200 <= reply.status <= 299:
            raise _refusal(method, url, reply, document)
        if document is None:
            raise NotVaultError("no JSON object")
        return document


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _date_of(reply: Reply) -> datetime | None:
    try:
        return parsedate_to_datetime(reply.headers.get("Date", "")).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _refusal(method: str, url: str, reply: Reply, document: dict[str, Any] | None) -> Exception:
    """Build hvac's own error for that status, without the body that hvac would put into its text."""
    own = document is not None and ("errors" in document or "data" in document)
    body = document if document is not None and own else {}
    said = said_by(body, hide=_secrets_of(reply))
    refusal = Refusal(reply.status, own, said, body, _retry_after(reply))
    error = hvac.exceptions.VaultError.from_status(reply.status, said or "no words", method=method, url=url)
    error.refusal = refusal
    return error  # type: ignore[no-any-return]  # hvac is untyped


def _retry_after(reply: Reply) -> timedelta | None:
    text = reply.headers.get("Retry-After", "")
    return timedelta(seconds=int(text)) if text.isascii() and text.isdigit() and len(text) < 9 else None


def _secrets_of(reply: Reply) -> list[str]:
    """Return what its request held in secret: its token, and every text in its body."""
    return [text for text in [*_leaves(reply.sent), *filter(None, [reply.token])] if len(text) >= 4]


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            if key not in NAMES:
                yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)


@dataclass(frozen=True, slots=True)
class Answer:
    """The JSON object that Vault answered (empty for a 204), and when, by the clock over there if it said so."""

    status: int
    body: Mapping[str, Any]
    at: datetime


def understood(question: Question, answer: Answer, parse: Callable[[Answer], R]) -> R:
    """Return what the answer holds; an answer that `parse` cannot read is none of Vault's."""
    try:
        return parse(answer)
    except (KeyError, TypeError, ValueError, AttributeError) as strange:
        raise question.failed("the answer is none of Vault's", hint=NOT_VAULT_HINT) from strange


class VaultWire:
    """Asks one Vault, a call per thread."""

    def __init__(self, connection: VaultConnection, clock: Clock, *, first_pause: timedelta) -> None:
        """Build the session; it connects at the first call. `first_pause` is what a repeated read waits, then more."""
        connection.check_trust()
        self.connection = connection
        self.clock = clock
        self._session = VaultSession(connection, first_pause=first_pause)
        self._within = connection.answer_within.total_seconds()

    def client(self, token: str = "", *, at_root: bool = False) -> Any:
        """Return an hvac client for one token. An empty one keeps hvac from looking for another itself.

        `at_root`: outside our namespace, where alone some questions about the server may be asked.
        """
        return hvac.Client(
            url=self.connection.address,
            token=token,
            cert=(),  # not None: hvac would take VAULT_CLIENT_CERT
            allow_redirects=False,
            session=self._session,
            adapter=VaultAdapter,
            namespace=None if at_root else self.connection.namespace,
        )

    async def ask(self, question: Question, work: Callable[[], Any], *, or_absent: bool = False) -> Answer:
        """Run `work` in a thread and return what Vault answered; every failure is one of our errors.

        With `or_absent` Vault's "nothing there" is an answer too, of status 404.
        """
        call = Call()
        try:
            body = await self._run(work, call)
        except hvac.exceptions.VaultError as error:
            refusal: Refusal = error.refusal
            if or_absent and nothing_there(refusal):
                return Answer(404, refusal.body, call.answered_at or self.clock.now())
            raise error_of(question, refusal, now=self.clock.now()) from error
        except NotVaultError as error:
            raise question.failed(f"the answer is none of Vault's: {error}", hint=NOT_VAULT_HINT) from error
        except TimeoutError as error:
            raise question.failed(f"no answer within {self._within:g} s") from error
        except EndlessError as error:
            raise question.failed("the answer is none of Vault's: a body without end", hint=NOT_VAULT_HINT) from error
        except (HTTPError, ValueError) as error:
            raise _failure(question, error) from error
        if question.writes:
            requests_made.note(body.get("request_id"))
        return Answer(200, body, call.answered_at or self.clock.now())

    async def _run(self, work: Callable[[], Any], call: Call) -> Any:
        before = CURRENT_CALL.set(call)  # the thread gets a copy of this context
        try:
            async with asyncio.timeout(self._within):
                try:
                    return await asyncio.to_thread(work)
                except asyncio.CancelledError:
                    call.cut()
                    raise
        finally:
            CURRENT_CALL.reset(before)

    def close(self) -> None:
        """Close the idle connections."""
        self._session.close()


def _failure(question: Question, error: HTTPError | ValueError) -> RotatorError:
    """Say what a failed exchange means. The libraries' own texts hold addresses and headers, and are not repeated."""
    kinds = {type(cause) for cause in _causes(error)}
    if any(issubclass(kind, ssl.SSLCertVerificationError) for kind in kinds):
        hint = "Name the CA of this Vault in `ca_file`, and check that the certificate is for this address."
        return UnavailableError(question.says("its certificate is not trusted"), hint=hint)
    if any(issubclass(kind, ProxyError) for kind in kinds):
        return UnavailableError(question.says("the proxy lets nothing through"), hint="Check `proxy` of this Vault.")
    if any(issubclass(kind, socket.gaierror) for kind in kinds):
        return UnavailableError(question.says("its name is not known"), hint="Check `address` of this Vault.")
    if any(issubclass(kind, (NewConnectionError, ConnectTimeoutError)) for kind in kinds):
        refused = any(issubclass(kind, ConnectionRefusedError) for kind in kinds)
        text = "the connection was refused" if refused else "no connection comes about"
        return UnavailableError(question.says(text), hint="Check `address`, and that Vault runs.")
    if any(issubclass(kind, ReadTimeoutError) for kind in kinds):
        return question.failed("no answer in time")
    if isinstance(error, ValueError) and not isinstance(error, ProtocolError):  # what cannot be sent at all
        return RefusedError(question.says("the request cannot be sent"), code="unsendable", hint="Check `address`.")
    return question.failed("the connection broke")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield the error and what it was raised from; urllib3 keeps some of them in `reason` or in the arguments."""
    seen: set[int] = set()
    waiting: list[Any] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [cause.__cause__, cause.__context__, getattr(cause, "reason", None), *cause.args]
