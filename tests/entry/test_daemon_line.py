"""The line to the daemon, where whoever answers is no daemon of ours, or none that is well."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from rotator.cli.daemon_line import Answer, ask, ask_for_sure, tell_to_look
from rotator.daemon.talk import Request, written
from rotator.errors import BusyError, ConfigError, RefusedError, RotatorError, UnavailableError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

END = written({"kind": "end", "exit_code": 0})
PING = Request("ping")


@contextmanager
def answering(path: Path, *lines: bytes) -> Iterator[None]:
    """Answer one request with these lines."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(4096)
                line.sendall(b"".join(lines))

        thread = threading.Thread(target=answer)
        thread.start()
        yield
        thread.join(5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "c.sock"


def error(kind: str, exit_code: int, *, code: str = "") -> bytes:
    told = {"kind": kind, "code": code, "message": "why"}
    return (
        written({"kind": "error", "exit_code": exit_code, "message": "why", "hint": "what to do", "error": told}) + END
    )


def test_what_is_said_is_sorted(path: Path) -> None:
    lines = [written({"kind": "daemon", "pid": 7}), written({"kind": "target", "target": "a"})]
    with answering(path, *lines, written({"kind": "of a later release"}), END):
        assert ask(path, PING) == Answer({"pid": 7}, [{"target": "a"}])


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param([], id="nothing"),
        pytest.param([written({"kind": "target", "target": "a"})], id="no end"),
        pytest.param([b"HTTP/1.1 400 Bad Request\r\n"], id="another protocol"),
        pytest.param([b'{"version": 2, "kind": "end"}\n'], id="another version"),
        pytest.param([b"[]\n"], id="no line of an answer"),
    ],
)
def test_an_answer_without_its_end_leaves_the_outcome_open(path: Path, lines: list[bytes]) -> None:
    with answering(path, *lines), pytest.raises(UnknownOutcomeError, match="was cut off") as unknown:
        ask(path, PING)

    assert "rotator status --daemon" in unknown.value.hint


@pytest.mark.parametrize(
    ("line", "kind", "code"),
    [
        pytest.param(error("ConfigError", 2), ConfigError, 2, id="usage"),
        pytest.param(error("BusyError", 4), BusyError, 4, id="busy"),
        pytest.param(error("SealedError", 5), UnavailableError, 5, id="away"),
        pytest.param(error("RefusedError", 1, code="no_brake"), RefusedError, 1, id="refused"),
    ],
)
def test_what_the_daemon_refuses_is_raised_as_what_it_is(
    path: Path, line: bytes, kind: type[RotatorError], code: int
) -> None:
    with answering(path, line), pytest.raises(kind, match="why") as refused:
        ask(path, PING)

    assert refused.value.exit_code == code
    if kind is not ConfigError:
        assert refused.value.hint == "what to do"
    if isinstance(refused.value, RefusedError):
        assert refused.value.code == "no_brake"


def test_nobody_there_is_no_answer(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    assert ask(path, PING) is None
    assert ask(path.with_name("never.sock"), PING) is None
    tell_to_look(path, ["billing"])
    assert capsys.readouterr().err == ""
    with pytest.raises(RefusedError, match="no daemon answers at"):
        ask_for_sure(path, PING)


def test_a_daemon_that_does_not_get_round_to_it_is_busy(path: Path) -> None:
    with ExitStack() as open_sockets:
        frozen, *callers = [open_sockets.enter_context(socket.socket(socket.AF_UNIX)) for _ in range(4)]
        frozen.bind(str(path))
        frozen.listen(0)
        for each in callers:
            each.setblocking(False)
            each.connect_ex(str(path))

        with pytest.raises(BusyError, match="does not get round to answering"):
            ask(path, PING)


def test_a_daemon_that_cannot_be_told_does_not_spoil_what_was_done(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with answering(path, error("ConfigError", 2)):
        tell_to_look(path, ["billing"])

    assert capsys.readouterr().err == "rotator: warning: the daemon was not told: the daemon: why\n"
