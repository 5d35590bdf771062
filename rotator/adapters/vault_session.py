"""The HTTP session for one Vault, in the place of the one of `requests` that hvac expects.

* urllib3 is asked directly: what `requests` puts around it takes as long as the exchange itself.
* Nothing is taken from the environment: trust and proxy are always given (contracts: Vault 5.3, 5.4).
* Redirects are not followed, no cookie is kept, bodies are bounded.
* Repeated is only what was not processed: any request after a failed connection or a 412, a read after more.
* A call can be cut from outside: its connection is shut down under the thread, which sends nothing after that.
"""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Self
from urllib.parse import unquote, urlencode, urlsplit

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, PoolManager, ProxyManager, Retry, Timeout, make_headers
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import InvalidHeader, MaxRetryError, ProtocolError, ResponseError

from rotator import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta
    from types import TracebackType

    from urllib3 import BaseHTTPResponse
    from urllib3.connectionpool import ConnectionPool

    from rotator.adapters.vault_connection import VaultConnection

USER_AGENT = f"rotator/{__version__}"
_HEADERS = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
_JSON = {"Content-Type": "application/json"}
THREADS = 32  # as many as asyncio starts at most
CONNECT_WITHIN = 3.05
READ_ATTEMPTS = 3
LONGEST_BODY = 8 * 1024 * 1024  # a version is at most 1 MiB in storage; escapes make it longer


class CallIsOverError(Exception):
    """The caller has gone: the thread must not go on."""


class EndlessError(Exception):
    """The answer is longer than any that makes sense."""


class Call:
    """One call as its thread and its caller share it: the caller can cut the connection, the thread leaves word."""

    def __init__(self) -> None:
        """Begin."""
        self.answered_at: datetime | None = None
        self._lock = threading.Lock()
        self._over = False
        self._sockets: list[socket.socket] = []

    def watch(self, connection: socket.socket | None) -> None:
        """Take note of the socket that is about to be read; from a call that is over nothing more is sent."""
        with self._lock:
            if self._over:
                raise CallIsOverError
            if connection is not None:
                self._sockets.append(connection)

    def cut(self) -> None:
        """End the thread's wait: a blocked read returns at once."""
        with self._lock:
            self._over = True
            for connection in self._sockets:
                with suppress(OSError):
                    socket.socket.shutdown(connection, socket.SHUT_RDWR)


CURRENT_CALL: ContextVar[Call | None] = ContextVar("vault_call", default=None)


def _watch(connection: socket.socket | None) -> None:
    if (call := CURRENT_CALL.get()) is not None:
        call.watch(connection)


class _Connection(HTTPConnection):
    def connect(self) -> None:
        _watch(None)
        super().connect()

    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _TlsConnection(HTTPSConnection):
    def connect(self) -> None:
        _watch(None)
        super().connect()

    def getresponse(self) -> Any:
        _watch(self.sock)
        return super().getresponse()


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


class _Patience(Retry):
    """Repeats reads, and anything after a 412: the node had not caught up and processed nothing.

    Whoever asks for a longer wait than we have gets none: the answer is the caller's.
    """

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        return status_code == 412 or super().is_retry(method, status_code, has_retry_after)

    def parse_retry_after(self, retry_after: str) -> float:
        try:
            return super().parse_retry_after(retry_after)
        except InvalidHeader:
            return 0  # no wait that we can read is none

    def increment(
        self,
        method: str | None = None,
        url: str | None = None,
        response: BaseHTTPResponse | None = None,
        error: Exception | None = None,
        _pool: ConnectionPool | None = None,
        _stacktrace: TracebackType | None = None,
    ) -> Self:
        if response is not None and (self.get_retry_after(response) or 0) >= self.retry_after_max:
            assert _pool is not None
            raise MaxRetryError(_pool, url or "", ResponseError("told to wait"))
        return super().increment(method, url, response, error, _pool, _stacktrace)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, read to its end, and what was sent for it in secret, which errors must not repeat."""

    status: int
    headers: Mapping[str, str]  # whatever the case of their names
    body: bytes
    token: str | None = field(default=None, repr=False)
    sent: Any = field(default=None, repr=False)
    ok: ClassVar[bool] = True  # keeps hvac from judging it


class VaultSession:
    """Trust, proxy, pool and patience of one Vault. `index` is the state that its last answer was about."""

    verify: ClassVar[bool] = True  # hvac looks at these three, and hands them back to `request`
    cert: ClassVar[None] = None
    proxies: ClassVar[None] = None

    def __init__(self, connection: VaultConnection, *, first_pause: timedelta) -> None:
        """Set everything; it connects at the first request."""
        within = connection.answer_within.total_seconds()
        connect = min(CONNECT_WITHIN, within / 3)
        self.index: str | None = None
        self._timeout = Timeout(connect=connect, read=within - connect)
        self._patience = _Patience(
            total=5,
            connect=2,
            read=2,
            status=4,
            other=0,
            redirect=0,
            status_forcelist={429, 502, 503},
            allowed_methods={"GET"},
            backoff_factor=first_pause.total_seconds(),
            backoff_jitter=first_pause.total_seconds(),
            raise_on_status=False,
            retry_after_max=max(1, int(within / 5)),
        )
        self._pools = _pools(connection)

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        **_set_here: object,
    ) -> Reply:
        """Exchange a request for its answer, as far as hvac wants that of a session of `requests`."""
        attempts = READ_ATTEMPTS if method == "get" else 1
        for attempt in range(1, attempts + 1):
            try:
                return self._exchange(method.upper(), f"{url}?{urlencode(params)}" if params else url, headers, json)
            except _BrokenOffError as broken:
                if attempt == attempts:
                    raise broken.why from None
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """Close the idle connections."""
        self._pools.clear()

    def _exchange(self, method: str, url: str, headers: Mapping[str, str], sent: Any) -> Reply:
        response = self._pools.urlopen(
            method,
            url,
            headers={**_HEADERS, **headers, **self._as_of(), **({} if sent is None else _JSON)},
            body=None if sent is None else json.dumps(sent).encode(),
            timeout=self._timeout,
            retries=self._patience,
            redirect=False,
            preload_content=False,
        )
        reply = Reply(response.status, response.headers, _read(response), headers.get("X-Vault-Token"), sent)
        self.index = reply.headers.get("X-Vault-Index") or self.index
        return reply

    def _as_of(self) -> dict[str, str]:
        return {} if self.index is None else {"X-Vault-Index": self.index}


class _BrokenOffError(Exception):
    """The body broke off, which urllib3 does not repeat."""

    def __init__(self, why: ProtocolError) -> None:
        super().__init__()
        self.why = why


def _read(response: BaseHTTPResponse) -> bytes:
    body = bytearray()
    try:
        for chunk in response.stream(65536):
            body += chunk
            if len(body) > LONGEST_BODY:
                raise EndlessError
    except ProtocolError as why:
        raise _BrokenOffError(why) from why
    else:
        response.release_conn()  # the next request may have it
        return bytes(body)
    finally:
        response.close()  # ends the connection, unless it was released


def _pools(connection: VaultConnection) -> PoolManager:
    """Return the connections to one Vault, that can be cut."""
    how: dict[str, Any] = {"cert_reqs": "CERT_REQUIRED", "ca_certs": connection.authorities(), "maxsize": THREADS}
    if connection.proxy:
        parts = urlsplit(connection.proxy)
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}" if parts.username else None
        how["proxy_headers"] = make_headers(proxy_basic_auth=login)
    pools = ProxyManager(connection.proxy, **how) if connection.proxy else PoolManager(**how)
    pools.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return pools
