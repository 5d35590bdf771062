"""What the daemon tells probes and Prometheus, and what it does not let itself be told."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from rotator.app.rotate import Outcome, Step, carry_on
from rotator.core import actions as do
from rotator.core.actions import Waiting
from rotator.core.agenda import Entry, LastLook, State
from rotator.core.model import Mode, Policy, Reason
from rotator.core.survey import new_state
from rotator.daemon.health import AT_ONCE, LONGEST_HEAD, PIECE, Health
from rotator.daemon.metrics import CONTENT_TYPE, Tally, exposition
from rotator.daemon.vitals import STATE, Condition, Pulse, Reach, Side, Vitals
from rotator.errors import (
    BusyError,
    ConfigError,
    ConflictError,
    RateLimitedError,
    RotatorError,
    SealedError,
    UnavailableError,
)
from rotator.settings import Listen
from tests.app.small_world import SmallWorld

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from rotator.core.model import Target

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
TICK = timedelta(seconds=30)
LOOPBACK = Listen("127.0.0.1", 0)
DAY = timedelta(days=1)
SMALL = SmallWorld()


@dataclass
class Daemon:
    """A daemon as far as it can be seen: its notes, a clock for them, and what was counted."""

    seconds: float = 1000.0
    tally: Tally = field(default_factory=Tally)
    logins: dict[str, datetime | None] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pulse = Pulse(NOON, TICK, monotonic=lambda: self.seconds)
        self.vitals = Vitals(self.pulse)

    def ticked(self) -> Daemon:
        self.pulse.tick_finished(NOON + timedelta(minutes=1))
        return self

    def add(self, name: str, state: State = State.RESTING) -> Target:
        target = SMALL.target(name)
        self.pulse.targets[name] = target
        self.pulse.entries[name] = Entry(NOON, state)
        return target

    def health(self, **limits: Any) -> Health:
        return Health(self.vitals, self.tally, lambda: self.logins, **limits)

    @asynccontextmanager
    async def serving(self, **limits: Any) -> AsyncIterator[int]:
        async with self.health(**limits).served(LOOPBACK) as url:
            yield int(url.rpartition(":")[2])

    def says(self, page: str) -> tuple[int, str]:
        answer = self.health().answer("GET", page)
        return answer.status, "".join(answer.lines)

    def lines(self) -> Iterator[str]:
        return exposition(self.vitals, self.tally, self.logins)

    def metrics(self) -> list[str]:
        return "".join(self.lines()).splitlines()

    def samples(self, name: str) -> list[str]:
        return [line.removeprefix("rotator_") for line in self.metrics() if re.match(rf"rotator_{name}[ {{]", line)]


@pytest.fixture
def daemon(caplog: pytest.LogCaptureFixture) -> Iterator[Daemon]:
    yield Daemon()
    assert not [*caplog.get_records("call"), *caplog.records], (
        "the event loop complains of whatever a connection lets through"
    )


async def sent(port: int, request: bytes, *, then_close: bool = False) -> bytes:
    """Return everything that comes back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    if then_close:
        writer.write_eof()
    answer = b""
    with suppress(ConnectionError):  # cut without an answer
        answer = await reader.read()
    writer.close()
    return answer


async def asked(port: int, target: str, method: str = "GET") -> tuple[int, dict[str, str], str]:
    raw = await sent(port, f"{method} {target} HTTP/1.0\r\n\r\n".encode())
    head, _, body = raw.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    return int(status.split()[1]), dict(line.lower().split(": ", 1) for line in lines), body


# --- alive ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age", "status"),
    [
        pytest.param(0, 200, id="just now"),
        pytest.param(90, 200, id="three ticks ago"),
        pytest.param(96, 503, id="three ticks and a moment ago"),
    ],
)
def test_alive_is_whose_last_tick_finished_lately(daemon: Daemon, age: float, status: int) -> None:
    daemon.ticked()
    daemon.seconds += age

    assert daemon.says("/livez") == (status, f"the last tick finished {age} s ago\n")


@pytest.mark.parametrize(("age", "status"), [(90, 200), (96, 503)], ids=["not yet", "never"])
def test_the_first_tick_has_as_long_as_any(daemon: Daemon, age: float, status: int) -> None:
    daemon.seconds += age

    assert daemon.says("/livez") == (status, f"started {age} s ago\n")


def test_alive_while_everything_else_is_away_and_it_is_told_to_stop(daemon: Daemon) -> None:
    daemon.ticked()
    daemon.pulse.reach[Side("okta", "acme")] = Reach(Condition.UNREACHABLE, NOON)
    daemon.pulse.stopping = True

    assert daemon.says("/livez")[0] == 200


# --- ready ------------------------------------------------------------------------------------------------


def test_ready_once_the_first_tick_has_finished_and_until_it_is_told_to_stop(daemon: Daemon) -> None:
    before = daemon.says("/readyz")
    daemon.ticked()
    meanwhile = daemon.says("/readyz")
    daemon.pulse.stopping = True

    assert before == (503, "starting: no tick has finished yet\n")
    assert meanwhile == (200, "ready\n")
    assert daemon.says("/readyz") == (503, "stopping\n")


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        pytest.param(Condition.UP, "ready\n", id="there"),
        pytest.param(Condition.LIMITED, "ready\n", id="rate limited"),
        pytest.param(
            Condition.SEALED, "ready\nvault main: sealed since 2026-11-23T12:00:00Z\n", id="sealed"
        ),
        pytest.param(
            Condition.REFUSED, "ready\nvault main: refuses us since 2026-11-23T12:00:00Z\n", id="refusing"
        ),
    ],
)  # fmt: skip
def test_ready_while_a_vault_is_not_and_says_so(daemon: Daemon, condition: Condition, said: str) -> None:
    daemon.ticked()
    daemon.pulse.reach[Side("vault", "main")] = Reach(condition, NOON, "for the log alone")

    assert daemon.says("/readyz") == (200, said)


# --- over HTTP --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["/livez", "/readyz", "/metrics", "/metrics?name=x"])
async def test_a_page_is_plain_text_that_nobody_keeps(daemon: Daemon, page: str) -> None:
    async with daemon.ticked().serving() as port:
        status, headers, body = await asked(port, page)

    assert (status, body != "") == (200, True)
    assert headers["content-type"] == (CONTENT_TYPE if "metrics" in page else "text/plain; charset=utf-8")
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert headers["connection"] == "close"
    assert "server" not in headers


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        pytest.param("GET", "/", 404, id="the root"),
        pytest.param("GET", "/livez/", 404, id="a slash too many"),
        pytest.param("GET", "/metrics/../livez", 404, id="a path that climbs"),
        pytest.param("GET", "/debug/pprof", 404, id="something else"),
        pytest.param("POST", "/nothing", 404, id="a write to nothing"),
        pytest.param("POST", "/livez", 405, id="a write"),
        pytest.param("HEAD", "/livez", 405, id="a head"),
        pytest.param("HEAD", "/", 404, id="a head of nothing"),
        pytest.param("DELETE", "/metrics", 405, id="a deletion"),
        pytest.param("OPTIONS", "*", 404, id="options"),
    ],
)
async def test_there_is_nothing_else(daemon: Daemon, method: str, target: str, status: int) -> None:
    async with daemon.ticked().serving() as port:
        got, headers, body = await asked(port, target, method)

    assert (got, body == "") == (status, method == "HEAD")
    assert headers.get("allow") == ("get" if status == 405 else None)


async def test_http_1_1_is_answered_in_chunks_and_the_connection_ends(daemon: Daemon) -> None:
    async with daemon.ticked().serving() as port:
        raw = await sent(port, b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")

    assert raw.count(b"HTTP/1.1 200") == 1
    assert b"Transfer-Encoding: chunked" in raw
    assert raw.endswith(b"6\r\nready\n\r\n0\r\n\r\n")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        pytest.param(b"GET /livez HTTP/1.1\r\nX: " + b"x" * 3 * LONGEST_HEAD, 431, id="a head without end"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, id="TLS"),
        pytest.param(b"GET /livez HTTP/1.1\r\n\r\n", 400, id="no host"),
        pytest.param(b"GET /livez\r\n\r\n", 400, id="HTTP 0.9"),
        pytest.param(b"GET /l\xff HTTP/1.1\r\nHost: x\r\n\r\n", 400, id="bytes in the path"),
        pytest.param(b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400, id="two hosts"),
    ],
)
async def test_what_is_no_small_request_is_refused(daemon: Daemon, request_: bytes, status: int) -> None:
    async with daemon.ticked().serving() as port:
        raw = await sent(port, request_)
        alive = (await asked(port, "/livez"))[0]

    assert raw.startswith(f"HTTP/1.1 {status} ".encode()), raw
    assert alive == 200


async def test_whoever_leaves_half_way_is_let_go(daemon: Daemon) -> None:
    async with daemon.ticked().serving() as port:
        assert (await sent(port, b"GET /li", then_close=True)).startswith(b"HTTP/1.1 400 ")
        assert await sent(port, b"", then_close=True) == b""
        _, rude = await asyncio.open_connection("127.0.0.1", port)
        rude.write(b"GET /li")
        await asyncio.sleep(0.02)
        rude.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        rude.transport.abort()
        await asyncio.sleep(0.02)
        assert (await asked(port, "/livez"))[0] == 200


async def test_whoever_says_nothing_is_cut_off(daemon: Daemon) -> None:
    async with daemon.serving(within=0.05) as port, asyncio.timeout(30):
        assert await sent(port, b"") == b""
        assert await sent(port, b"GET /livez HTTP/1.1\r\n") == b""


async def test_whoever_does_not_read_is_cut_off_and_holds_up_nobody(daemon: Daemon) -> None:
    for number in range(20000):
        daemon.add(f"a-target-with-a-long-name-{number}")
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        deaf.setblocking(False)
        async with daemon.ticked().serving(within=0.4) as port, asyncio.timeout(60):
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, ("127.0.0.1", port))
            await loop.sock_sendall(deaf, b"GET /metrics HTTP/1.0\r\n\r\n")
            assert (await asked(port, "/livez"))[0] == 200
            received = 0
            await asyncio.sleep(0.5)
            with suppress(ConnectionError):
                while piece := await loop.sock_recv(deaf, 1 << 20):
                    received += len(piece)

    assert 0 < received < len("\n".join(daemon.metrics()))


async def test_a_long_answer_lets_others_take_turns(daemon: Daemon) -> None:
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    for number in range(4000):
        daemon.add(f"t{number}")
    async with daemon.ticked().serving() as port:
        busy = asyncio.create_task(others())
        await asked(port, "/metrics")
        busy.cancel()

    assert turns > len(daemon.metrics()) / PIECE
    assert list(islice(daemon.lines(), 4000)) == [""] * 4000, (
        "a turn for each target that is looked at, before any text"
    )


async def test_many_at_once_are_not_served_and_later_ones_are(daemon: Daemon) -> None:
    async with daemon.ticked().serving(within=300) as port, asyncio.timeout(30):
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(AT_ONCE)]
        await asyncio.sleep(0.05)
        assert await sent(port, b"GET /livez HTTP/1.0\r\n\r\n") == b""
        for _, writer in idle:
            writer.close()
        await asyncio.sleep(0.05)
        assert (await asked(port, "/livez"))[0] == 200


async def test_the_end_waits_for_nobody(daemon: Daemon) -> None:
    async with asyncio.timeout(30):
        async with daemon.serving(within=300) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            await asyncio.sleep(0.02)
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)


@pytest.mark.parametrize(
    ("host", "said"),
    [
        pytest.param("127.0.0.1", "address already in use", id="somebody listens there"),
        pytest.param("192.0.2.1", "cannot assign requested address", id="an address of another machine"),
    ],
)
async def test_an_address_that_cannot_be_had_is_told_at_once(daemon: Daemon, host: str, said: str) -> None:
    async with daemon.serving() as port:
        with pytest.raises(ConfigError, match=rf"health\.listen: cannot listen on {host}:{port} \({said}\)") as refused:
            async with daemon.health().served(Listen(host, port)):
                raise AssertionError("listening")

    assert "choose another" in str(refused.value)


async def test_nothing_of_a_request_is_logged(daemon: Daemon, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG"):
        async with daemon.serving() as port:
            await asked(port, "/livez?token=hvs.canary")
            await sent(port, b"garbage hvs.canary\r\n\r\n")

    assert "canary" not in caplog.text
    caplog.clear()


# --- metrics ----------------------------------------------------------------------------------------------


def test_times_are_moments_and_each_target_has_those_that_there_are(daemon: Daemon) -> None:
    made, until = NOON - 10 * DAY, NOON + 80 * DAY
    for name in "abc":
        daemon.add(name)
    daemon.tally.created = {"a": made, "b": made, "gone": made}
    daemon.tally.due["a"] = until
    daemon.tally.succeeded["b"] = NOON
    daemon.ticked()

    assert daemon.samples("secret_created_timestamp_seconds") == [
        f'secret_created_timestamp_seconds{{target="{name}"}} {made.timestamp():.0f}' for name in "ab"
    ]
    assert daemon.samples("next_step_timestamp_seconds") == [
        f'next_step_timestamp_seconds{{target="a"}} {until.timestamp():.0f}'
    ]
    assert daemon.samples("last_success_timestamp_seconds") == [
        f'last_success_timestamp_seconds{{target="b"}} {NOON.timestamp():.0f}'
    ]
    assert daemon.samples("last_tick_timestamp_seconds") == ["last_tick_timestamp_seconds 1795435260"]
    assert daemon.samples("started_timestamp_seconds") == ["started_timestamp_seconds 1795435200"]


def test_every_state_is_counted_be_it_none(daemon: Daemon) -> None:
    daemon.add("a")
    daemon.add("b")
    daemon.add("c", State.PARKED)

    counted = dict(line.rsplit(" ", 1) for line in daemon.samples("targets"))

    assert len(counted) == len(State)
    assert counted['targets{state="resting"}'] == "2"
    assert counted['targets{state="parked"}'] == "1"
    assert counted['targets{state="blocked"}'] == "0"


def test_a_token_that_ends_has_its_end(daemon: Daemon) -> None:
    daemon.logins = {"main": NOON, "other": None}

    assert daemon.samples("vault_token_expiry_timestamp_seconds") == [
        f'vault_token_expiry_timestamp_seconds{{vault="main"}} {NOON.timestamp():.0f}'
    ]


def test_what_can_be_worked_with_is_1(daemon: Daemon) -> None:
    daemon.pulse.reach[Side("okta", "acme")] = Reach(Condition.LIMITED, NOON)
    daemon.pulse.reach[Side("vault", "main")] = Reach(Condition.SEALED, NOON)

    assert daemon.samples("reachable") == [
        'reachable{kind="okta",alias="acme"} 1',
        'reachable{kind="vault",alias="main"} 0',
    ]


def test_the_state_database_is_a_side_like_the_others(daemon: Daemon) -> None:
    daemon.pulse.reach[STATE] = Reach(Condition.UNREACHABLE, NOON)

    assert daemon.samples("reachable") == ['reachable{kind="state",alias="database"} 0']
    assert daemon.ticked().says("/readyz")[1] == "ready\nstate database: unreachable since 2026-11-23T12:00:00Z\n"


def test_the_brake_is_1_while_it_is_on(daemon: Daemon) -> None:
    released = daemon.samples("brake")
    daemon.pulse.brake = new_state(NOON)

    assert (released, daemon.samples("brake")) == (["brake 0"], ["brake 1"])


def looked(result: str = "resting", waiting: Waiting = Waiting.NEXT_ROTATION, **shown: Any) -> LastLook:
    return LastLook(NOON, result, waiting=waiting.value, **shown)


def moments(daemon: Daemon) -> dict[str, float]:
    return {
        name: float(line.rpartition(" ")[2])
        for name in ("secret_created", "next_step", "last_success")
        for line in daemon.samples(f"{name}_timestamp_seconds")
    }


def test_a_look_of_another_member_or_from_before_the_start_counts_as_our_own(daemon: Daemon) -> None:
    made, until = NOON - 10 * DAY, NOON + 80 * DAY
    daemon.add("a")
    daemon.tally.due["a"] = NOON - DAY  # what we saw ourselves, before another member rotated it
    daemon.pulse.last["a"] = looked(secret_created=made, until=until)

    assert moments(daemon) == {
        "secret_created": made.timestamp(),
        "next_step": until.timestamp(),
        "last_success": NOON.timestamp(),
    }


@pytest.mark.parametrize(
    ("look", "shown"),
    [
        pytest.param(looked("error"), {"secret_created", "next_step", "last_success"}, id="what was seen is kept"),
        pytest.param(
            looked("blocked", secret_created=NOON),
            {"secret_created", "last_success"},
            id="blocked: a person has to act",
        ),
        pytest.param(looked(), {"last_success"}, id="nothing is alive, and nothing is due"),
    ],
)
def test_a_later_look_shows_what_it_saw(daemon: Daemon, look: LastLook, shown: set[str]) -> None:
    daemon.add("a")
    daemon.pulse.last["a"] = looked(secret_created=NOON - DAY, until=NOON + DAY)
    daemon.metrics()

    daemon.pulse.last["a"] = look

    assert moments(daemon).keys() == shown


def test_a_value_that_is_still_to_be_proven_is_no_success(daemon: Daemon) -> None:
    daemon.add("a")
    daemon.pulse.last["a"] = looked(waiting=Waiting.VERIFICATION, until=NOON)

    assert moments(daemon).keys() == {"next_step"}


def test_a_label_cannot_break_out(daemon: Daemon) -> None:
    daemon.add('a"} 1\nrotator_evil{x="\\')

    (line, *_) = daemon.samples("rotations_total")

    assert line == r'rotations_total{target="a\"} 1\nrotator_evil{x=\"\\",outcome="promoted"} 0'
    assert not daemon.samples("evil")


def test_the_text_is_what_prometheus_reads(daemon: Daemon) -> None:
    daemon.add("a")
    daemon.logins["main"] = NOON
    for moments in (daemon.tally.created, daemon.tally.due, daemon.tally.succeeded):
        moments["a"] = NOON + timedelta(milliseconds=1)
    daemon.pulse.reach[Side("okta", "acme")] = Reach(Condition.UP, NOON)
    daemon.tally.notices_waiting = {"ops": 1}
    daemon.tally.passed(outcome(daemon.add("b"), ending=UnavailableError("away")), NOON)
    daemon.ticked()
    sample = re.compile(r'(rotator_[a-z_]+)(\{[a-z]+="[^"\n]*"(,[a-z]+="[^"\n]*")*\})? -?[0-9]+(\.[0-9]+)?')
    families: dict[str, str] = {}
    seen: list[str] = []

    for line in daemon.metrics():
        if line.startswith("# HELP "):
            continue
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name not in families
            families[name] = kind
            continue
        found = sample.fullmatch(line)
        assert found, line
        assert found[1] == list(families)[-1], "samples of one family stand together, under its name"
        seen.append(line.rsplit(" ", 1)[0])

    assert len(seen) == len(set(seen))
    assert {name for name, kind in families.items() if kind == "counter"} == {
        name for name in families if name.endswith("_total")
    }
    assert {line.partition("{")[0] for line in seen} == set(families)


# --- counting ---------------------------------------------------------------------------------------------


def outcome(
    target: Target, *steps: Step, ending: do.Ending | RotatorError | None = None, failed: do.Effect | None = None
) -> Outcome:
    resting = do.Rest(NOON, do.Waiting.NEXT_ROTATION)
    return Outcome(target, steps, ending or resting, None, None, failed)


@pytest.mark.parametrize(
    ("steps", "counted"),
    [
        pytest.param([do.Create(), do.CloseStaging("promoted")], "promoted", id="a candidate was promoted"),
        pytest.param([do.Discard("x"), do.CloseStaging("discarded")], "discarded", id="a candidate was thrown away"),
        pytest.param([do.CloseStaging("both slots taken")], None, id="no room was found"),
        pytest.param([do.Stage(Reason.EXPIRED)], None, id="a rotation has only begun"),
    ],
)
def test_a_rotation_counts_when_it_has_ended(daemon: Daemon, steps: list[do.Effect], counted: str | None) -> None:
    target = daemon.add("a")

    daemon.tally.passed(outcome(target, *(Step(action, "done") for action in steps)), NOON)

    found = {line for line in daemon.samples("rotations_total") if not line.endswith(" 0")}
    assert found == ({f'rotations_total{{target="a",outcome="{counted}"}} 1'} if counted else set())


def test_a_step_that_surprised_is_counted_by_what_surprised_and_not_as_done(daemon: Daemon) -> None:
    lost = Step(do.CloseStaging("promoted"), "", ConflictError("somebody was first"))

    daemon.tally.passed(outcome(daemon.add("a"), lost), NOON)

    assert daemon.samples("step_failures_total") == ['step_failures_total{step="close_staging",reason="conflict"} 1']
    assert daemon.samples("rotations_total")[0].endswith('outcome="promoted"} 0')


@pytest.mark.parametrize(
    ("ending", "failed", "counted"),
    [
        pytest.param(SealedError("x"), do.Create(), ("create", "sealed"), id="in a step"),
        pytest.param(RateLimitedError("x"), None, ("look", "rate_limited"), id="while looking"),
        pytest.param(BusyError("x"), None, None, id="not, where another process is at it"),
    ],
)
def test_a_pass_that_ended_with_an_error_is_a_failure(
    daemon: Daemon, ending: RotatorError, failed: do.Effect | None, counted: tuple[str, str] | None
) -> None:
    daemon.tally.passed(outcome(daemon.add("a"), ending=ending, failed=failed), NOON)

    assert dict(daemon.tally.failures) == ({counted: 1} if counted else {})
    assert not daemon.tally.succeeded


@pytest.mark.parametrize(
    ("ending", "fine"),
    [
        pytest.param(do.Rest(NOON, do.Waiting.OVERLAP), True, id="at rest"),
        pytest.param(do.Rest(NOON, do.Waiting.VERIFICATION), False, id="not while a value is still to be proven"),
        pytest.param(do.Blocked(do.Block.CAP, "x", "y"), False, id="not while it is blocked"),
    ],
)
def test_a_target_is_fine_when_a_look_ends_at_rest(daemon: Daemon, ending: do.Ending, fine: bool) -> None:
    daemon.tally.passed(outcome(daemon.add("a"), ending=ending), NOON)

    assert daemon.tally.succeeded == ({"a": NOON} if fine else {})


def test_a_step_is_due_until_a_person_has_to_act(daemon: Daemon) -> None:
    target = daemon.add("a")
    found = []

    for ending in (None, UnavailableError("away"), do.Blocked(do.Block.CAP, "x", "y")):
        daemon.tally.passed(outcome(target, ending=ending), NOON)
        found.append(daemon.tally.due.get("a"))

    assert found == [NOON, NOON, None]


async def test_a_real_rotation_is_counted_once(daemon: Daemon) -> None:
    small = SmallWorld()
    target = small.settled("a", age=91)
    daemon.add("a")
    small.flaky_okta.fail("create_secret", UnavailableError("away"))

    for _ in range(3):
        daemon.tally.passed(await carry_on(target, small.world), small.clock.now())
        small.clock.advance(timedelta(minutes=5))

    assert daemon.samples("rotations_total")[0] == 'rotations_total{target="a",outcome="promoted"} 1'
    assert daemon.samples("step_failures_total") == ['step_failures_total{step="create",reason="unavailable"} 1']
    assert daemon.tally.succeeded.keys() == {"a"}


async def test_the_age_of_what_consumers_read_is_known_through_an_outage_and_lost_with_it(daemon: Daemon) -> None:
    small = SmallWorld()
    target = replace(small.settled("a", age=10), policy=Policy(mode=Mode.OBSERVE))
    made = small.clock.now() - 10 * DAY
    found = []

    for prepare in (
        lambda: None,
        lambda: small.flaky_okta.fail("get_app", UnavailableError("away")),
        lambda: small.kv.by_hand.put(target.consumer, {"client_id": "0oa1", "client_secret": "z" * 40}),
    ):
        prepare()
        daemon.tally.passed(await carry_on(target, small.world), small.clock.now())
        found.append(daemon.tally.created.get("a"))

    assert found == [made, made, None]
