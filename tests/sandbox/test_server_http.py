"""The sandbox's HTTP server, as a client meets it."""

from __future__ import annotations

import asyncio
import datetime as dt
import http.client
import ipaddress
import json
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.faults import Reply
from rotator.sandbox.http import Request, Response
from rotator.sandbox.server import Server, Tls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


async def echo(request: Request) -> Reply:
    """Say back what arrived."""
    told = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "body": request.body.decode(),
        "base_url": request.base_url,
        "kind": request.header("x-kind"),
    }
    return Reply(Response(200, (("Content-Type", "application/json"),), json.dumps(told).encode()))


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server(SandboxClock(NOON, speed=0))
    yield server
    server.close()


def answering(response: Response) -> Callable[[Request], Awaitable[Reply]]:
    async def answer(_request: Request) -> Reply:
        return Reply(response)

    return answer


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "LIST", "OPTIONS"])
def test_every_method_arrives_with_its_path_query_and_body(server: Server, method: str) -> None:
    url = server.listen(echo)

    got = requests.request(method, f"{url}/a%20b/%C3%A9?x=1&x=2&y=", data="hello", headers={"X-Kind": "k"}, timeout=5)

    assert got.json() == {
        "method": method,
        "path": "/a b/é",
        "query": [["x", "1"], ["x", "2"], ["y", ""]],
        "body": "hello",
        "base_url": url,
        "kind": "k",
    }


def test_it_listens_on_loopback_only_and_takes_a_free_port(server: Server) -> None:
    first, second = server.listen(echo), server.listen(echo)

    assert first.startswith("http://127.0.0.1:")
    assert first != second


def test_a_connection_is_kept_alive(server: Server) -> None:
    host = server.listen(echo).removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=5)
    ports = set()
    for _ in range(3):
        connection.request("GET", "/")
        connection.getresponse().read()
        ports.add(connection.sock.getsockname())
    connection.close()

    assert len(ports) == 1


def test_a_head_has_the_length_and_no_body(server: Server) -> None:
    got = requests.head(server.listen(echo), timeout=5)

    assert got.content == b""
    assert int(got.headers["Content-Length"]) > 0


def test_an_answer_without_a_body_has_no_length(server: Server) -> None:
    got = requests.delete(server.listen(answering(Response(204))), timeout=5)

    assert got.status_code == 204
    assert "Content-Length" not in got.headers


def test_answers_are_dated_by_the_sandbox_clock(server: Server) -> None:
    assert requests.get(server.listen(echo), timeout=5).headers["Date"] == "Mon, 23 Nov 2026 12:00:00 GMT"


def test_an_answer_keeps_its_own_date_and_both_of_two_equal_headers(server: Server) -> None:
    response = Response(200, (("Date", "then"), ("Link", "<a>"), ("Link", "<b>")), b"x")

    got = requests.get(server.listen(answering(response)), timeout=5)

    assert got.headers["Date"] == "then"
    assert got.headers["Link"] == "<a>, <b>"


def test_bodies_may_be_chunked_both_ways(server: Server) -> None:
    url = server.listen(answering(Response(200, (("Transfer-Encoding", "chunked"),), b"abc" * 9)))
    sent = requests.post(server.listen(echo), data=iter([b"one ", b"two"]), timeout=5)
    received = requests.get(url, timeout=5)

    assert sent.json()["body"] == "one two"
    assert received.content == b"abc" * 9
    assert "Content-Length" not in received.headers


def test_a_client_that_waits_for_100_continue_gets_it(server: Server) -> None:
    host, port = server.listen(echo).removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        go = client.recv(1000)
        client.sendall(b"hi")

        assert go.startswith(b"HTTP/1.1 100")
        assert b'"body": "hi"' in client.recv(1000)


def test_what_is_no_http_is_refused_with_400(server: Server) -> None:
    host, port = server.listen(echo).removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"this is no request\r\n\r\n")

        assert client.recv(1000).startswith(b"HTTP/1.1 400")


def test_many_connections_are_served_at_once(server: Server) -> None:
    at_once = 0
    together = asyncio.Event()

    async def meet(_request: Request) -> Reply:
        nonlocal at_once
        at_once += 1
        if at_once == 20:
            together.set()
        await asyncio.wait_for(together.wait(), 5)
        return Reply(Response(200))

    url = server.listen(meet)
    with ThreadPoolExecutor(20) as clients:
        statuses = list(clients.map(lambda _: requests.get(url, timeout=10).status_code, range(20)))

    assert statuses == [200] * 20


def test_a_bug_in_what_answers_cuts_the_connection_and_is_raised_at_the_end() -> None:
    async def broken(_request: Request) -> Reply:
        raise ZeroDivisionError

    server = Server(SandboxClock())
    with pytest.raises(requests.ConnectionError):
        requests.get(server.listen(broken), timeout=5)

    with pytest.raises(ZeroDivisionError):
        server.close()


def test_closing_cuts_calls_under_way_and_may_be_done_twice() -> None:
    arrived = threading.Event()

    async def never(_request: Request) -> Reply:
        arrived.set()
        await asyncio.Event().wait()
        raise AssertionError

    server = Server(SandboxClock())
    url = server.listen(never)
    with ThreadPoolExecutor(1) as client:
        call = client.submit(requests.get, url, timeout=5)
        assert arrived.wait(5)
        server.close()
        server.close()

        with pytest.raises(requests.ConnectionError):
            call.result(5)


@pytest.mark.parametrize("_again", range(5))
def test_a_connection_made_just_before_the_end_is_not_left_open(_again: int) -> None:
    server = Server(SandboxClock())
    host, port = server.listen(echo).removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n")
        server.close()

        with suppress(ConnectionResetError):  # it was still in the kernel's queue
            assert client.recv(10) == b""


def test_it_speaks_https_with_the_certificate_it_is_given(server: Server, tls: Tls) -> None:
    url = server.listen(echo, tls=tls)

    got: dict[str, Any] = requests.get(url, verify=str(tls.cert), timeout=5).json()

    assert got["base_url"] == url
    assert url.startswith("https://")
    with pytest.raises(requests.exceptions.SSLError):
        requests.get(url, timeout=5)


@pytest.fixture
def tls(tmp_path: Path) -> Tls:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "sandbox")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = Tls(tmp_path / "cert.pem", tmp_path / "key.pem")
    files.cert.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    files.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )

    return files
