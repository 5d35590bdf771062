"""The HTTP session for one Vault.

* Nothing is taken from the environment: trust and proxy are always given (contracts: Vault 5.3, 5.4).
* Repeated is only what was not processed: any request after a failed connection or a 412, a read after more.
* A call can be cut from outside: its connection is shut down under the thread, which sends nothing after that.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from contextvars import ContextVar
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Retry
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import InvalidHeader, MaxRetryError, ResponseError

from rotator import __version__

if TYPE_CHECKING:
    from datetime import datetime, timedelta
    from types import TracebackType

    from urllib3 import BaseHTTPResponse
    from urllib3.connectionpool import ConnectionPool

    from rotator.adapters.vault_connection import VaultConnection

USER_AGENT = f"rotator/{__version__}"
THREADS = 32  # as many as asyncio starts at most


class CallIsOverError(Exception):
    """The caller has gone: the thread must not go on."""


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


class _Transport(HTTPAdapter):
    """Connections that can be cut."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
        return manager


class VaultSession(requests.Session):
    """Trust, proxy, pool and patience of one Vault. `index` is the state that its last answer was about."""

    def __init__(self, connection: VaultConnection, *, first_pause: timedelta) -> None:
        """Set everything on the session: hvac lets a session's settings win over arguments."""
        super().__init__()
        within = connection.answer_within.total_seconds()
        self.index: str | None = None
        self.trust_env = False
        self.verify = str(connection.ca_file) if connection.ca_file else True
        self.proxies = {"http": connection.proxy, "https": connection.proxy} if connection.proxy else {}
        self.headers.update({"User-Agent": USER_AGENT, "Accept-Encoding": "identity"})
        self.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        patience = _Patience(
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
        transport = _Transport(max_retries=patience, pool_maxsize=THREADS)
        self.mount("https://", transport)
        self.mount("http://", transport)
