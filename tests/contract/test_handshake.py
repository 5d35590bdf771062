"""The Handshakes port: a TLS connection as it comes about."""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.handshake import TlsHandshake
from rotator.core.preflight_facts import Handshake, NoTls
from rotator.errors import RefusedError, UnavailableError
from rotator.sandbox.world import Sandbox
from tests.contract.okta_keys import certificate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.server import Tls

WITHIN = timedelta(seconds=5)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def box(tls: Tls) -> Iterator[Sandbox]:
    with Sandbox(tls=tls) as box:
        yield box


def hands(url: str, tls: Tls | None, *, proxy: str | None = None, within: timedelta = WITHIN) -> TlsHandshake:
    def trust() -> ssl.SSLContext:
        return ssl.create_default_context(cafile=tls.cert if tls else None)

    return TlsHandshake(url, trust, proxy=proxy, answer_within=within)


async def test_a_certificate_tells_when_it_ends(box: Sandbox, tls: Tls) -> None:
    seen = await hands(box.okta_url, tls).handshake()

    assert isinstance(seen, Handshake)
    assert seen.version.startswith("TLSv1.")
    assert timedelta(hours=23) < seen.ends - datetime.now(UTC) < timedelta(days=1)
    assert box.journal.count() == 0


async def test_a_certificate_that_is_not_trusted_is_refused(box: Sandbox) -> None:
    with pytest.raises(RefusedError, match="not trusted") as refused:
        await hands(box.okta_url, None).handshake()

    assert refused.value.code == "certificate"
    assert "ca_file" in refused.value.hint


async def test_a_server_without_tls_is_refused(tls: Tls) -> None:
    with Sandbox() as plain, pytest.raises(RefusedError, match="no TLS there"):
        await hands(plain.okta_url.replace("http:", "https:"), tls).handshake()


async def test_nobody_there_is_an_outage(tls: Tls) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(UnavailableError, match="no connection"):
            await hands(f"https://127.0.0.1:{taken.getsockname()[1]}", tls).handshake()


async def test_somebody_who_says_nothing_is_an_outage(tls: Tls) -> None:
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        with pytest.raises(UnavailableError, match=r"no connection within 0\.1 s"):
            await hands(
                f"https://127.0.0.1:{mute.getsockname()[1]}", tls, within=timedelta(milliseconds=100)
            ).handshake()


async def test_plain_http_and_a_proxy_are_not_tried() -> None:
    assert await hands("http://127.0.0.1:1", None).handshake() is NoTls.PLAIN
    assert await hands("https://127.0.0.1:1", None, proxy="http://127.0.0.1:2").handshake() is NoTls.PROXY
