"""The control endpoint, for a person with curl. The same on both servers; JSON both ways; no credentials.

| call | body | does |
| --- | --- | --- |
| `GET /_sandbox` | | shows the clock, the services' states, what is armed |
| `POST /_sandbox/clock` | `{"advance": "90d"}`, `{"speed": 60}` | moves the clock, lets it run faster (0 stops it) |
| `GET /_sandbox/journal?since=N` | | lists the calls after the N-th |
| `GET /_sandbox/faults` | | lists what is armed |
| `POST /_sandbox/faults` | see below | arms a fault |
| `DELETE /_sandbox/faults` | | disarms all |
| `POST /_sandbox/faults/N/release`, `.../drop` | | lets the held call of fault N go on, or throws it away |
| `POST /_sandbox/SERVICE/ACTION` | the arguments | acts as a person would; `GET /_sandbox` names the actions |

A fault is `{"act": "drop", "when": "after", "service": "vault", "method": "POST", "path": "/v1/*", "nth": 2}`
with everything but `act` optional. Acts: `answer` (with `status`, `headers`, `body`), `html` (`status`), `drop`,
`delay` (`seconds`), `garble` (`keep`, `pace`, `emptied`), `twice`, `hold`.
Durations are seconds, or a number with s, m, h or d.

It answers only requests whose Host is loopback, so that no web page can reach it through a name of its own.
"""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .faults import Delay, Drop, Faults, Garble, Hold, Say, Twice
from .http import Response
from .journal import Journal, Wanted

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping

    from .clock import SandboxClock
    from .faults import Act, Fault
    from .http import Request

    Actions = Mapping[str, Callable[..., Any]]

PREFIX = "/_sandbox"
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


class _WrongRequestError(Exception):
    """The person asked for something that is not there."""


class Control:
    """What the control endpoint can see and do."""

    def __init__(
        self,
        *,
        lock: threading.RLock,
        clock: SandboxClock,
        journal: Journal,
        faults: Faults,
        actions: Mapping[str, Actions],
    ) -> None:
        """Take the parts; `actions` are by service and name, called with the body's fields as keywords."""
        self._lock = lock
        self._clock = clock
        self._journal = journal
        self._faults = faults
        self._actions = actions
        self._holds: dict[int, Hold] = {}

    def wants(self, request: Request) -> bool:
        """Tell whether the request is meant for the control endpoint."""
        return request.path == PREFIX or request.path.startswith(f"{PREFIX}/")

    def answer(self, request: Request) -> Response:
        """Do what is asked."""
        if not _is_loopback(request.header("host") or ""):
            return _json(403, {"error": "the control endpoint answers only under a loopback name"})
        try:
            with self._lock:
                return _json(200, self._routed(request))
        except _WrongRequestError as problem:
            return _json(404, {"error": str(problem)})
        except (ValueError, TypeError, KeyError) as problem:
            return _json(400, {"error": f"{type(problem).__name__}: {problem}"})

    def _routed(self, request: Request) -> Any:
        arguments = _arguments(request)
        match request.method, request.path.strip("/").split("/")[1:]:
            case "GET", []:
                return self._summary()
            case "POST", ["clock"]:
                return self._move_clock(**arguments)
            case "GET", ["journal"]:
                return [asdict(call) for call in self._journal.calls(since=int(request.param("since") or 0))]
            case "GET", ["faults"]:
                return [_shown(fault) for fault in self._faults.armed()]
            case "POST", ["faults"]:
                return self._arm(arguments)
            case "DELETE", ["faults"]:
                self._faults.clear()
                return {}
            case "POST", ["faults", number, ("release" | "drop") as verdict]:
                return self._decide(int(number), verdict)
            case "POST", [service, name] if name in self._actions.get(service, {}):
                return self._actions[service][name](**arguments) or {}
        raise _WrongRequestError(f"nothing here for {request.method} {request.path}; see GET {PREFIX}")

    def _summary(self) -> dict[str, Any]:
        services = {
            service: {"state": actions["state"]() if "state" in actions else {}, "actions": sorted(actions)}
            for service, actions in self._actions.items()
        }
        return {
            "now": self._clock.now(),
            "services": services,
            "faults": [_shown(fault) for fault in self._faults.armed()],
            "calls": dict(self._journal.tally("service")),
        }

    def _move_clock(self, advance: str | float | None = None, speed: float | None = None) -> dict[str, Any]:
        if advance is not None:
            self._clock.advance(duration(advance))
        if speed is not None:
            self._clock.run(float(speed))
        return {"now": self._clock.now()}

    def _arm(self, arguments: dict[str, Any]) -> dict[str, Any]:
        wanted = Wanted(**{name: arguments.pop(name) for name in Wanted.__slots__ if name in arguments})
        how = {name: arguments.pop(name) for name in ("when", "nth", "times") if name in arguments}
        act = _act(**arguments)
        fault = self._faults.arm(act, wanted, **how)
        if isinstance(act, Hold):
            self._holds[fault.n] = act
        return _shown(fault)

    def _decide(self, number: int, verdict: str) -> dict[str, Any]:
        if number not in self._holds:
            raise _WrongRequestError(f"fault {number} holds nothing")
        hold = self._holds[number]
        if verdict == "release":
            hold.release()
        else:
            hold.drop()
        return {"reached": hold.reached.is_set()}


def duration(text: str | float) -> timedelta:
    """Read seconds, or a number with a unit; ValueError if it is neither."""
    parts = re.fullmatch(r"(-?\d+(?:\.\d+)?)([smhd]?)", str(text))
    if not parts:
        raise ValueError(f"{text!r} is no duration: give seconds, or a number with s, m, h or d")
    return timedelta(seconds=float(parts[1]) * _UNITS[parts[2]])


def _act(act: str, **details: Any) -> Act:
    match act:
        case "answer":
            return _say(**details)
        case "html":
            return _say(body="<html><body><h1>Bad gateway</h1></body></html>", **{"status": 502, **details})
        case "drop":
            return Drop(**details)
        case "delay":
            return Delay(duration(details.pop("seconds")).total_seconds(), **details)
        case "garble":
            return Garble(**details)
        case "twice":
            return Twice(**details)
        case "hold":
            return Hold(**details)
    raise ValueError(f"unknown act {act!r}")


def _say(status: int, body: Any = "", headers: Mapping[str, str] | None = None) -> Say:
    text = body if isinstance(body, str) else json.dumps(body)
    kind = "application/json" if not isinstance(body, str) else "text/html" if body else "text/plain"
    return Say(Response(int(status), tuple({"Content-Type": kind, **(headers or {})}.items()), text.encode()))


def _arguments(request: Request) -> dict[str, Any]:
    arguments = request.json() if request.body.strip() else {}
    if not isinstance(arguments, dict):
        raise TypeError("the body must be a JSON object")
    return arguments


def _shown(fault: Fault) -> dict[str, Any]:
    return {
        "fault": fault.n,
        "act": fault.act.name,
        "when": fault.when,
        "wanted": asdict(fault.wanted),
        "after_calls": fault.skip,
        "times_left": fault.left,
    }


def _is_loopback(host: str) -> bool:
    return re.sub(r":\d+$", "", host) in _LOOPBACK


def _json(status: int, content: Any) -> Response:
    body = json.dumps(content, indent=2, default=str).encode() + b"\n"
    return Response(status, (("Content-Type", "application/json"), ("Cache-Control", "no-store")), body)
