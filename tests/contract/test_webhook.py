"""A hook that is a webhook: what is sent, how it is signed, and what counts as taken; over real connections."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import socket
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.hooks import ConfiguredHooks, Webhook
from rotator.adapters.webhook import Way
from rotator.core.model import RotationId
from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError
from tests.contract.okta_keys import certificate
from tests.contract.test_hooks import CANARY, OCCASION
from tests.fakes.okta import NOON

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime
    from pathlib import Path

    from rotator.core.hooks import HookResult, Occasion

KEY = "the-secret-of-both"
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"
ELSEWHERE = "HTTP 302: it leads elsewhere, which is not followed"
SOON = timedelta(seconds=10)


class Noon:
    def now(self) -> datetime:
        return NOON


@dataclass
class Server:
    """A server that notes what came, and answers as it is told; `None` is never."""

    answer: bytes | None = TAKEN
    heads: list[dict[str, str]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    port: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}/hooks/{CANARY}?a=b"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            self.heads.append({"": head[0], **fields})
            self.bodies.append(await reader.readexactly(int(fields["content-length"])))
            if self.answer is not None:
                writer.write(self.answer)
                await writer.drain()
            else:
                await reader.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def listening(answer: bytes | None = TAKEN, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(answer, scheme="https" if tls else "http")
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        await listener.wait_closed()


async def sent(url: str, way: Way | None = None, occasion: Occasion = OCCASION) -> HookResult:
    hook = Webhook(lambda: SecretValue(url), lambda: SecretValue(KEY), way or Way(timeout=SOON))
    result = await ConfiguredHooks({"tell": hook}, Noon()).run("tell", occasion)
    assert [each for each in (CANARY, KEY) if each in repr(result) + repr(hook)] == []
    return result


async def test_a_promotion_is_told_by_references(tmp_path: Path) -> None:
    async with listening() as server:
        result = await sent(server.url)

    assert (result.good, result.detail) == (True, "HTTP 204")
    assert json.loads(server.bodies[0]) == {
        "version": 1,
        "event": "promoted",
        "target": "billing",
        "org": "acme",
        "app_id": "0oa1example1example1",
        "client_id": "client-1",
        "rotation_id": "rotation-1",
        "vault_path": "kv/billing/okta",
        "vault_version": 7,
        "secret_id": "ocs1",
        "promoted_at": "2026-11-23T12:00:00+00:00",
    }
    assert server.heads[0][""] == f"POST /hooks/{CANARY}?a=b HTTP/1.1"
    assert server.heads[0]["content-type"] == "application/json"
    assert server.heads[0]["idempotency-key"] == "rotation-1"
    assert server.heads[0]["user-agent"].startswith("rotator/")


async def test_the_receiver_can_tell_who_sent_it_and_when() -> None:
    async with listening() as server:
        await sent(server.url)

    head, body = server.heads[0], server.bodies[0]
    signed = head["rotator-timestamp"].encode() + b"." + body
    assert head["rotator-timestamp"] == str(int(NOON.timestamp()))
    assert head["rotator-signature"] == "v1=" + hmac.new(KEY.encode(), signed, hashlib.sha256).hexdigest()


async def test_whatever_is_sent_again_has_the_same_key_and_body() -> None:
    async with listening() as server:
        await sent(server.url)
        await sent(server.url)
        await sent(server.url, occasion=replace(OCCASION, rotation=RotationId("an other\r\nX: y")))

    assert [head["idempotency-key"] for head in server.heads] == [
        "rotation-1",
        "rotation-1",
        "an%20other%0D%0AX%3A%20y",
    ]
    assert server.bodies[0] == server.bodies[1] != server.bodies[2]


def answer(status: str, *headers: str, body: str = "") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", body]).encode()


@pytest.mark.parametrize(
    ("raw", "good", "detail"),
    [
        pytest.param(answer("200 OK", body=CANARY), True, "HTTP 200", id="taken, and says much"),
        pytest.param(answer("202 Accepted"), True, "HTTP 202", id="taken for later"),
        pytest.param(answer("400 Bad Request", body=CANARY), False, "HTTP 400", id="refused"),
        pytest.param(answer(f"500 {CANARY}"), False, "HTTP 500", id="broken"),
        pytest.param(answer("302 Found", "Location: /else"), False, ELSEWHERE,
                     id="a redirect"),
        pytest.param(b"", False, "the connection was closed before the answer came", id="hung up"),
        pytest.param(b"SSH-2.0\r\n\r\n", False, "the connection was closed before the answer came", id="no http"),
    ],
)  # fmt: skip
async def test_what_counts_as_taken(raw: bytes, good: bool, detail: str) -> None:
    async with listening(raw) as server:
        result = await sent(server.url)

    assert (result.good, result.detail) == (good, detail)
    assert len(server.bodies) == 1, "nothing is tried twice"


async def test_an_answer_without_an_end_is_not_read() -> None:
    async with listening(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n" + b"x" * 1000) as server:
        assert (await sent(server.url)).good


async def test_a_server_that_says_nothing_is_given_its_time_and_no_more() -> None:
    async with listening(None) as server:
        result = await sent(server.url, Way(timeout=timedelta(milliseconds=200)))

    assert not result.good
    assert result.detail in {"no answer within 0.2 s", "no answer in time"}


async def test_nobody_there_is_told_and_no_error() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        result = await sent(f"http://127.0.0.1:{taken.getsockname()[1]}/")

    assert (result.good, result.detail) == (False, "no connection")


@pytest.mark.parametrize("trusted", [True, False])
async def test_only_its_own_authority_vouches_for_a_server(tmp_path: Path, trusted: bool) -> None:
    tls = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tls.cert, tls.key)

    async with listening(tls=context) as server:
        result = await sent(server.url, Way(ca_file=tls.cert if trusted else None, timeout=SOON))

    assert (result.good, result.detail) == (
        (True, "HTTP 204") if trusted else (False, "its certificate is not trusted")
    )
    assert len(server.bodies) == trusted


async def test_a_proxy_is_asked_where_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with listening() as server, listening() as proxy:
        direct = await sent(server.url)
        through = await sent(server.url, Way(proxy=f"http://127.0.0.1:{proxy.port}", timeout=SOON))

    assert (direct.good, through.good) == (True, True)
    assert (len(server.bodies), len(proxy.bodies)) == (1, 1)


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        pytest.param("http://192.0.2.1/hook", "its address is not encrypted, so nothing was sent", id="in the clear"),
        pytest.param("ftp://example.com", "its address is not encrypted, so nothing was sent", id="ftp"),
        pytest.param("https://u:p@example.com", "its address is none that anything is sent to", id="a password"),
        pytest.param("https://[::1", "its address is none that anything is sent to", id="half a bracket"),
        pytest.param("https://a:b:c", "its address is none that anything is sent to", id="no port"),
        pytest.param("hook", "its address is none that anything is sent to", id="a word"),
    ],
)
async def test_nothing_is_sent_to_an_address_that_is_none(url: str, detail: str) -> None:
    result = await sent(url)

    assert (result.good, result.detail) == (False, detail)


async def test_a_secret_or_an_authority_that_is_gone_is_told_and_no_error(tmp_path: Path) -> None:
    def gone() -> SecretValue:
        raise ConfigError(["file /run/hook-secret cannot be read: No such file or directory"])

    unread = await ConfiguredHooks({"tell": Webhook(lambda: SecretValue("https://a"), gone, Way())}, Noon()).run(
        "tell", OCCASION
    )
    async with listening() as server:
        untrusted = await sent(server.url, Way(ca_file=tmp_path / "gone"))

    assert (unread.good, unread.detail) == (False, "file /run/hook-secret cannot be read: No such file or directory")
    assert (untrusted.good, untrusted.detail) == (False, "`ca_file` cannot be used (No such file or directory)")
    assert server.bodies == []
