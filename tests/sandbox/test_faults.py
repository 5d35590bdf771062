"""Faults by script, and what the journal says of them, over real HTTP against the Vault emulator."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.faults import Faults
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

WRITES = Wanted(kind="kv.write")
READS = Wanted(kind="kv.read")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


def write(box: Sandbox, value: str = "1", **how: Any) -> requests.Response:
    url = f"{box.vault_url}/v1/secret/data/app"
    return requests.post(url, json={"data": {"v": value}}, headers={"X-Vault-Token": "root"}, timeout=5, **how)


def read(box: Sandbox, path: str = "app") -> requests.Response:
    return requests.get(f"{box.vault_url}/v1/secret/data/{path}", headers={"X-Vault-Token": "root"}, timeout=5)


def versions(box: Sandbox) -> int:
    key = box.vault.key("secret", "app")
    return key.current if key else 0


def test_an_answer_before_means_that_nothing_was_applied(box: Sandbox) -> None:
    box.faults.answer(503, WRITES, body={"errors": ["Vault is sealed"]}, headers={"Retry-After": "7"})

    got = write(box)

    assert (got.status_code, got.json(), got.headers["Retry-After"]) == (503, {"errors": ["Vault is sealed"]}, "7")
    assert versions(box) == 0
    assert write(box).status_code == 200


def test_an_answer_after_hides_that_it_was_applied(box: Sandbox) -> None:
    box.faults.answer(502, WRITES, when="after")

    assert write(box).status_code == 502
    assert versions(box) == 1


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_dropped_call_looks_the_same_to_the_client_whether_it_was_applied_or_not(
    box: Sandbox, when: Any, made: int
) -> None:
    box.faults.drop(WRITES, when=when)

    with pytest.raises(requests.ConnectionError):
        write(box)

    assert versions(box) == made


def test_only_the_nth_call_of_its_kind_is_met_and_as_often_as_asked(box: Sandbox) -> None:
    box.faults.answer(500, WRITES, nth=2, times=2)

    statuses = [write(box).status_code for _ in range(4)]
    statuses.append(read(box).status_code)

    assert statuses == [200, 500, 500, 200, 200]


def test_without_an_end_every_call_is_met_until_the_faults_are_cleared(box: Sandbox) -> None:
    box.faults.answer(500, READS, times=None)
    met = [read(box).status_code for _ in range(3)]
    box.faults.clear()

    assert met == [500] * 3
    assert read(box).status_code == 404


@pytest.mark.parametrize(
    ("wanted", "met"),
    [
        pytest.param(Wanted(service="vault"), True, id="by service"),
        pytest.param(Wanted(service="okta"), False, id="another service"),
        pytest.param(Wanted(method="POST"), True, id="by method"),
        pytest.param(Wanted(method="GET"), False, id="another method"),
        pytest.param(Wanted(path="/v1/*/app"), True, id="by path pattern"),
        pytest.param(Wanted(path="/v1/*/other"), False, id="another path"),
        pytest.param(Wanted(kind="kv.*"), True, id="by kind pattern"),
        pytest.param(Wanted(bucket="apps"), False, id="a bucket that Vault does not have"),
    ],
)
def test_a_fault_meets_only_the_calls_that_it_is_meant_for(box: Sandbox, wanted: Wanted, met: bool) -> None:
    box.faults.answer(500, wanted)

    assert write(box).status_code == (500 if met else 200)


def test_of_two_faults_that_are_due_the_first_armed_acts_and_the_other_waits(box: Sandbox) -> None:
    box.faults.answer(500, WRITES)
    box.faults.answer(501, WRITES)

    assert [write(box).status_code for _ in range(3)] == [500, 501, 200]


def test_a_page_for_people_comes_as_html(box: Sandbox) -> None:
    box.faults.html(READS)

    got = read(box)

    assert (got.status_code, got.headers["Content-Type"]) == (502, "text/html")
    assert "<html>" in got.text


def test_a_delay_takes_its_time_and_then_tells_the_truth(box: Sandbox) -> None:
    box.faults.delay(0.1, WRITES)

    start = time.monotonic()
    got = write(box)

    assert got.status_code == 200
    assert time.monotonic() - start >= 0.1


def test_a_truncated_answer_is_shorter_than_it_says_and_was_applied(box: Sandbox) -> None:
    box.faults.garble(WRITES, keep=10)

    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        write(box)

    assert versions(box) == 1


def test_a_dripping_answer_arrives_whole(box: Sandbox) -> None:
    box.faults.garble(READS, pace=0.0001)

    assert read(box).json() == {"errors": []}


def test_an_emptied_answer_has_the_true_status(box: Sandbox) -> None:
    box.faults.garble(WRITES, emptied=True)

    got = write(box)

    assert (got.status_code, got.content) == (200, b"")
    assert versions(box) == 1


def test_a_call_delivered_twice_is_applied_twice(box: Sandbox) -> None:
    box.faults.twice(WRITES)

    assert write(box).json()["data"]["version"] == 2
    assert versions(box) == 2


@pytest.mark.parametrize(("when", "made"), [("before", 0), ("after", 1)])
def test_a_held_call_stands_still_before_or_after_it_was_applied_and_goes_on_when_released(
    box: Sandbox, when: Any, made: int
) -> None:
    held = box.faults.hold(WRITES, when=when)
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(write, box)
        call = held.wait()
        standing = versions(box)
        held.release()

        assert answer.result(5).status_code == 200
    assert (call.kind, standing, versions(box)) == ("kv.write", made, 1)


def test_other_calls_go_on_while_one_is_held(box: Sandbox) -> None:
    held = box.faults.hold(WRITES, when="before")
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(write, box)
        held.wait()

        assert read(box).status_code == 404
        held.drop()
        with pytest.raises(requests.ConnectionError):
            answer.result(5)
    assert versions(box) == 0


def test_a_hold_that_meets_nothing_says_so(box: Sandbox) -> None:
    held = box.faults.hold(WRITES, when="before")

    with pytest.raises(TimeoutError):
        held.wait(within=0.01)


def test_a_hold_released_ahead_of_its_call_lets_it_pass(box: Sandbox) -> None:
    box.faults.hold(WRITES, when="before").release()

    assert write(box).status_code == 200


def test_a_sandbox_ends_in_spite_of_a_held_call() -> None:
    with Sandbox() as box, ThreadPoolExecutor(1) as client:
        held = box.faults.hold(WRITES, when="before")
        answer = client.submit(write, box)
        held.wait()
        box.stop()

        with pytest.raises(requests.ConnectionError):
            answer.result(5)


CLIENT = """
import sys, urllib.request
for _ in range(3):
    ask = urllib.request.Request(sys.argv[1], b'{"data":{}}', {"X-Vault-Token": "root"})
    urllib.request.urlopen(ask).read()
"""


@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_client_can_be_killed_at_each_call_before_and_after_it_was_applied(box: Sandbox, nth: int, when: Any) -> None:
    held = box.faults.hold(nth=nth, when=when)
    url = f"{box.vault_url}/v1/secret/data/app"
    with subprocess.Popen([sys.executable, "-S", "-c", CLIENT, url]) as client:
        held.wait()
        os.kill(client.pid, signal.SIGKILL)
        client.wait(5)
        held.drop()

    assert versions(box) == nth - (when == "before")
    assert box.journal.count() == nth


def test_nth_and_times_start_at_one() -> None:
    with pytest.raises(ValueError, match="start at 1"):
        Faults().drop(when="before", nth=0)


def test_the_journal_tells_what_was_asked_applied_and_answered(box: Sandbox) -> None:
    box.faults.drop(WRITES, when="after", nth=2)
    box.faults.answer(503, READS)
    write(box)
    with pytest.raises(requests.ConnectionError):
        write(box)
    read(box)
    requests.get(f"{box.vault_url}/v1/secret/metadata/?list=true", headers={"X-Vault-Token": "bad"}, timeout=5)

    told = [(call.n, call.kind, call.applied, call.status, call.fault) for call in box.journal.calls()]

    assert told == [
        (1, "kv.write", True, 200, None),
        (2, "kv.write", True, None, "drop after"),
        (3, "kv.read", False, 503, "answer 503 before"),
        (4, "kv.metadata.list", True, 403, None),
    ]
    assert (box.journal.calls()[3].path, box.journal.calls()[3].query) == ("/v1/secret/metadata/", "list=true")


def test_the_journal_counts_since_a_mark_and_by_field(box: Sandbox) -> None:
    write(box)
    mark = box.journal.mark()
    write(box)
    read(box)

    assert box.journal.count(since=mark) == 2
    assert box.journal.count(WRITES) == 2
    assert box.journal.count(WRITES, since=mark) == 1
    assert box.journal.tally("kind", since=mark) == {"kv.write": 1, "kv.read": 1}
    assert box.journal.tally("bucket") == {"none": 3}
    assert box.journal.tally("service", wanted=WRITES) == {"vault": 2}


def test_one_can_wait_for_the_journal_to_get_somewhere(box: Sandbox) -> None:
    with ThreadPoolExecutor(1) as client:
        client.submit(write, box)
        calls = box.journal.wait_until(lambda calls: any(call.status == 200 for call in calls))

    assert len(calls) == 1
    with pytest.raises(TimeoutError):
        box.journal.wait_until(lambda calls: len(calls) > 1, within=0.01)
