"""The proxy does to a call or a connection what its faults say: seen by a plain client, and by the sandbox behind."""

from __future__ import annotations

import gc
import ssl
import time
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox
from tests.contract.test_vault_connection import certificate
from tests.faults import wire_faults as wire
from tests.faults.legs import Answer
from tests.faults.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rotator.sandbox.server import Tls

WRITE = Wanted(service="vault", method="POST", path="/v1/secret/data/*")
VALUE = "Kv7-a-value-that-nobody-may-see"
FALLS_SILENT = 0.4  # seconds after which the client has had enough


# CPython leaves the socket of a handshake that was cut off to the garbage collector, which complains of it.
pytestmark = pytest.mark.filterwarnings("ignore:.*ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")


class Stand:
    """A Vault behind the proxy, and a client that trusts one certificate."""

    def __init__(self, box: Sandbox, proxy: Proxy, tls: Tls) -> None:
        self.box, self.proxy = box, proxy
        self.url = proxy.line_to("vault", box.vault_url)
        self.http = requests.Session()
        self.http.verify, self.http.trust_env = str(tls.cert), False
        self.http.headers["X-Vault-Token"] = "root"

    def write(self, path: str = "x") -> requests.Response:
        body = {"data": {"client_secret": VALUE}}
        return self.http.post(
            f"{self.url}/v1/secret/data/{path}", json=body, timeout=FALLS_SILENT, allow_redirects=False
        )

    @property
    def applied(self) -> int:
        return self.box.journal.count(WRITE)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture
def stand(tls: Tls) -> Iterator[Stand]:
    with Sandbox(tls=tls) as box, Proxy(tls) as proxy:
        stand = Stand(box, proxy, tls)
        with stand.http:
            yield stand
    gc.collect()  # here, where it is expected: by chance it comes in another test


def test_without_a_rule_it_is_not_there(stand: Stand) -> None:
    assert [stand.write().status_code, stand.write().json()["data"]["version"]] == [200, 2]
    assert [(call.method, call.path) for call in stand.proxy.calls] == [("POST", "/v1/secret/data/x")] * 2


LOST = [
    pytest.param(wire.Reset(), 0, requests.ConnectionError, id="reset before"),
    pytest.param(wire.Reset(applied=True), 1, requests.ConnectionError, id="reset after"),
    pytest.param(wire.HalfClosed(), 0, requests.ConnectionError, id="half closed before"),
    pytest.param(wire.HalfClosed(applied=True), 1, requests.ConnectionError, id="half closed after"),
    pytest.param(wire.Silent(), 0, requests.ReadTimeout, id="silence before"),
    pytest.param(wire.Silent(applied=True), 1, requests.ReadTimeout, id="silence after"),
    pytest.param(wire.Truncated(0.95), 1, requests.exceptions.ChunkedEncodingError, id="truncated"),
    pytest.param(wire.Truncated(0.95, abrupt=True), 1, requests.RequestException, id="cut within an answer"),
    pytest.param(wire.NoHandshake(), 0, requests.Timeout, id="no handshake"),
    pytest.param(wire.HalfAHandshake(), 0, requests.ConnectionError, id="half a handshake"),
    pytest.param(wire.Refused(), 0, requests.ConnectionError, id="refused"),
]


@pytest.mark.parametrize(("fault", "applied", "error"), LOST)
def test_a_call_is_lost(stand: Stand, fault: Any, applied: int, error: type[Exception]) -> None:
    rule = stand.proxy.arm(fault, WRITE)

    with pytest.raises(error):
        stand.write()

    assert (stand.applied, rule.struck) == (applied, 1)
    stand.proxy.clear()
    assert stand.write().status_code == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "other.example.com"])
def test_another_certificate_is_shown(stand: Stand, tmp_path: Path, name: str, tls: Tls) -> None:
    other = certificate(tmp_path, name)
    trusted = tmp_path / "both.pem"
    trusted.write_text(tls.cert.read_text() + (other.cert.read_text() if name != "127.0.0.1" else ""))
    stand.http.verify = str(trusted)
    stand.proxy.arm(wire.Certificate(other), WRITE, nth=2, times=None)

    assert stand.write().status_code == 200
    for _ in range(2):
        with pytest.raises(requests.exceptions.SSLError) as caught:
            stand.write()

    assert ("mismatch" in str(caught.value)) is (name != "127.0.0.1")
    assert stand.applied == 1


def test_it_is_refused_from_the_nth_connection_on(stand: Stand) -> None:
    stand.proxy.arm(wire.Refused(), WRITE, nth=3)

    assert [stand.write().status_code for _ in range(2)] == [200, 200]
    for _ in range(2):
        with pytest.raises(requests.ConnectionError, match="refused"):
            stand.write()


def test_the_nth_and_so_many_from_there_on(stand: Stand) -> None:
    stand.proxy.arm(wire.Instead(Answer(503)), WRITE, nth=2, times=2)

    assert [stand.write().status_code for _ in range(4)] == [200, 503, 503, 200]
    assert stand.applied == 2


def test_only_what_is_wanted_counts(stand: Stand) -> None:
    stand.proxy.arm(wire.Instead(Answer(503), applied=True), Wanted(path="/v1/secret/data/y"))

    assert [stand.write("x").status_code, stand.write("y").status_code, stand.write("y").status_code] == [200, 503, 200]
    assert stand.applied == 3


def test_byte_by_byte_it_is_the_whole_answer_and_no_limit_between_two_bytes_ends_it(stand: Stand) -> None:
    stand.proxy.arm(wire.ByteByByte(0.002), WRITE)
    began = time.monotonic()

    assert stand.write().json()["data"]["version"] == 1
    assert time.monotonic() - began > FALLS_SILENT


def test_a_call_is_delivered_twice(stand: Stand) -> None:
    stand.proxy.arm(wire.Twice(), WRITE)

    assert stand.write().json()["data"]["version"] == 2


def test_what_is_kept_back_arrives_when_it_is_let_go(stand: Stand) -> None:
    stand.proxy.arm(wire.Late(overtaken=False), WRITE)
    with pytest.raises(requests.ConnectionError):
        stand.write("late")
    stand.write()

    before, arrived = stand.applied, stand.proxy.let_go()

    assert (before, arrived, stand.applied, stand.proxy.let_go()) == (1, 1, 2, 0)


def test_what_is_overtaken_arrives_after_the_next_call(stand: Stand) -> None:
    stand.proxy.arm(wire.Late(overtaken=True), WRITE)
    with pytest.raises(requests.ConnectionError):
        stand.write("late")
    stand.write("next")

    calls = stand.box.journal.wait_until(lambda calls: sum(call.applied for call in calls) == 2)

    assert [call.path.rpartition("/")[2] for call in calls] == ["next", "late"]


def test_somebody_acts_just_before_the_call(stand: Stand) -> None:
    stand.proxy.arm(wire.Meanwhile(stand.box.vault.seal), WRITE)

    assert stand.write().status_code == 503


def test_the_secrets_that_went_over_the_wire_are_known(stand: Stand) -> None:
    stand.http.headers["X-Vault-Token"] = token = stand.box.vault.create_token(["root"])
    stand.write()
    stand.http.get(f"{stand.url}/v1/secret/data/x", timeout=FALLS_SILENT)

    assert stand.proxy.carried == {VALUE, token}


def test_both_legs_speak_tls(stand: Stand) -> None:
    assert isinstance(stand.proxy.tls, ssl.SSLContext)
    with pytest.raises(requests.RequestException):
        requests.get(stand.url.replace("https", "http"), timeout=FALLS_SILENT)
