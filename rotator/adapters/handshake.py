"""The Handshakes port: one TLS connection to an address, looked at and closed.

* Nothing is sent over it but the handshake.
* It trusts whom the vendor's own connection trusts; a certificate that is refused here is refused there.
* Behind a proxy nothing is tried: the way there is not ours.
"""

from __future__ import annotations

import asyncio
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rotator.core.preflight_facts import Handshake, NoTls
from rotator.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

CERTIFICATE_HINT = "Name the authority that signed it in `ca_file`, and check that the certificate is for this address."


class TlsHandshake:
    """One address as it is connected to."""

    def __init__(
        self, url: str, trust: Callable[[], ssl.SSLContext], *, proxy: str | None, answer_within: timedelta
    ) -> None:
        """Take where to, and how to learn whom to trust."""
        self._url = urlsplit(url)
        self._trust = trust
        self._proxy = proxy
        self._within = answer_within.total_seconds()

    async def handshake(self) -> Handshake | NoTls:
        """Return how a connection came about."""
        if self._url.scheme == "http":
            return NoTls.PLAIN
        if self._proxy is not None:
            return NoTls.PROXY
        trust = self._trust()
        try:
            async with asyncio.timeout(self._within):
                _, writer = await asyncio.open_connection(self._url.hostname, self._url.port or 443, ssl=trust)
        except ssl.SSLCertVerificationError as untrusted:
            text = f"{self._url.netloc}: its certificate is not trusted: {untrusted.verify_message}"
            raise RefusedError(text, code="certificate", hint=CERTIFICATE_HINT) from untrusted
        except ssl.SSLError as refused:
            raise RefusedError(f"{self._url.netloc}: no TLS there", code="tls", hint="Check the address.") from refused
        except TimeoutError as lost:
            raise UnavailableError(f"{self._url.netloc}: no connection within {self._within:g} s") from lost
        except OSError as lost:
            raise UnavailableError(f"{self._url.netloc}: no connection ({lost.strerror or 'refused'})") from lost
        try:
            return _seen(writer.get_extra_info("ssl_object"))
        finally:
            writer.transport.abort()


def _seen(connection: ssl.SSLObject) -> Handshake:
    certificate = connection.getpeercert()
    assert certificate, "it was verified"
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"]))
    return Handshake(connection.version() or "TLS", datetime.fromtimestamp(ends, tz=UTC))
