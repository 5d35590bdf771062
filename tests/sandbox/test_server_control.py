"""The control endpoint, as a person with curl meets it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.control import duration
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ROOT = {"X-Vault-Token": "root"}


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(clock=SandboxClock(NOON, speed=0)) as box:
        yield box


def control(box: Sandbox, method: str, path: str = "", **how: Any) -> requests.Response:
    return requests.request(method, f"{box.vault_url}/_sandbox{path}", timeout=5, **how)


def read(box: Sandbox) -> requests.Response:
    return requests.get(f"{box.vault_url}/v1/secret/data/app", headers=ROOT, timeout=5)


def test_the_summary_tells_time_state_faults_and_calls(box: Sandbox) -> None:
    box.vault.put("secret", "app", {"a": "1"})
    read(box)

    told = control(box, "GET").json()

    assert told["now"] == "2026-11-23 12:00:00+00:00"
    assert told["services"]["vault"]["state"]["mounts"]["secret/"] == {"app": 1}
    assert "seal" in told["services"]["vault"]["actions"]
    assert told["calls"] == {"vault": 1}


def test_the_clock_can_be_advanced_and_sped_up(box: Sandbox) -> None:
    control(box, "POST", "/clock", json={"advance": "90d"})
    control(box, "POST", "/clock", json={"advance": 1.5, "speed": 0})

    assert box.clock.now() == NOON + timedelta(days=90, seconds=1.5)


def test_faults_can_be_armed_listed_and_cleared(box: Sandbox) -> None:
    fault = {"act": "answer", "status": 429, "body": {"errors": ["slow down"]}, "kind": "kv.read", "times": None}
    control(box, "POST", "/faults", json=fault)
    listed = control(box, "GET", "/faults").json()
    met = read(box)
    control(box, "DELETE", "/faults")

    assert [(each["act"], each["wanted"]["kind"], each["times_left"]) for each in listed] == [
        ("answer 429", "kv.read", None)
    ]
    assert (met.status_code, met.json()) == (429, {"errors": ["slow down"]})
    assert read(box).status_code == 404


@pytest.mark.parametrize(
    "fault",
    [
        {"act": "html"},
        {"act": "drop", "when": "after"},
        {"act": "delay", "seconds": "1m"},
        {"act": "garble", "keep": 3},
        {"act": "twice"},
        {"act": "hold", "when": "before", "nth": 3},
    ],
)
def test_every_act_can_be_armed(box: Sandbox, fault: dict[str, Any]) -> None:
    assert control(box, "POST", "/faults", json=fault).status_code == 200
    assert len(box.faults.armed()) == 1


def test_a_held_call_can_be_released_by_number(box: Sandbox) -> None:
    number = control(box, "POST", "/faults", json={"act": "hold", "kind": "kv.read"}).json()["fault"]
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(read, box)
        box.journal.wait_until(lambda calls: any(call.fault for call in calls))
        told = control(box, "POST", f"/faults/{number}/release").json()

        assert answer.result(5).status_code == 404
    assert told == {"reached": True}


def test_a_person_can_act_at_a_service(box: Sandbox) -> None:
    control(box, "POST", "/vault/put", json={"mount": "secret", "path": "app", "fields": {"a": "1"}})
    control(box, "POST", "/vault/seal")

    assert box.vault.read("secret", "app") == {"a": "1"}
    assert read(box).status_code == 503


def test_the_journal_leaves_out_the_control_endpoint_itself(box: Sandbox) -> None:
    read(box)
    read(box)

    told = control(box, "GET", "/journal?since=1").json()

    assert [(call["n"], call["kind"], call["status"]) for call in told] == [(2, "kv.read", 404)]


@pytest.mark.parametrize("host", ["sandbox.example", "127.0.0.1.evil.example", "", "localhost.evil:80"])
def test_a_host_that_is_not_loopback_is_refused(box: Sandbox, host: str) -> None:
    got = control(box, "POST", "/vault/seal", headers={"Host": host})

    assert got.status_code == 403
    assert control(box, "GET").json()["services"]["vault"]["state"]["sealed"] is False


@pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:80"])
def test_loopback_has_several_names(box: Sandbox, host: str) -> None:
    assert control(box, "GET", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        pytest.param("GET", "/nowhere", "", 404, id="an unknown path"),
        pytest.param("POST", "/vault/unknown", "", 404, id="an unknown action"),
        pytest.param("POST", "/faults/9/release", "", 404, id="a fault that holds nothing"),
        pytest.param("POST", "/clock", '{"advance": "soon"}', 400, id="an unreadable duration"),
        pytest.param("POST", "/clock", '{"forward": 1}', 400, id="an unknown argument"),
        pytest.param("POST", "/clock", "[1]", 400, id="a body that is no object"),
        pytest.param("POST", "/clock", "{", 400, id="a body that is no JSON"),
        pytest.param("POST", "/faults", '{"act": "explode"}', 400, id="an unknown act"),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(box: Sandbox, method: str, path: str, body: str, status: int) -> None:
    got = control(box, method, path, data=body)

    assert got.status_code == status
    assert got.json()["error"]


@pytest.mark.parametrize(
    ("text", "seconds"), [(5, 5), ("5", 5), ("1.5s", 1.5), ("2m", 120), ("3h", 10800), ("-1d", -86400)]
)
def test_durations_are_seconds_or_a_number_with_a_unit(text: str | float, seconds: float) -> None:
    assert duration(text) == timedelta(seconds=seconds)


def test_both_servers_have_the_control_endpoint_and_share_clock_and_journal(box: Sandbox) -> None:
    requests.get(f"{box.okta_url}/api/v1/apps", timeout=5)
    read(box)

    told = requests.get(f"{box.okta_url}/_sandbox", timeout=5).json()

    assert set(told["services"]) == {"okta", "vault"}
    assert told["calls"] == {"okta": 1, "vault": 1}
    assert [(call.service, call.kind, call.bucket) for call in box.journal.calls()] == [
        ("okta", "GET /api/v1/apps", "apps"),
        ("vault", "kv.read", None),
    ]


def test_a_secret_can_be_revoked_at_okta(box: Sandbox) -> None:
    app = box.okta.add_app("billing")
    [secret] = app.secrets
    box.okta.add_secret_by_admin(app.id)

    url = f"{box.vault_url}/_sandbox/okta/revoke"
    told = requests.post(url, json={"app": app.id, "secret_id": secret.id}, timeout=5).json()

    assert told == {"status": "INACTIVE"}


def test_what_a_service_refuses_is_told(box: Sandbox) -> None:
    app = box.okta.add_app("billing")
    [only] = app.secrets

    got = control(box, "POST", "/okta/revoke", json={"app": app.id, "secret_id": only.id})

    assert got.status_code == 400
    assert "only active client secret" in got.json()["error"]
