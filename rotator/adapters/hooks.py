"""The Hooks port: commands and webhooks of the operator's, told of a promotion by references alone.

* A hook gets names, paths, versions and ids, never a value. The rotation's id is its idempotency key.
* Exit code 0 is good, and so is HTTP 2xx; all else is not, and nothing is tried twice here.
* Of what a command says at most one line is repeated, cut clean of what is or looks like a secret, and short.
"""

from __future__ import annotations

import json
import re
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.adapters.hook_command import Ended, run_command
from rotator.core.hooks import HookResult
from rotator.errors import RotatorError
from rotator.printable import printable
from rotator.redaction import Redactor, redact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from rotator.adapters.webhook import Way
    from rotator.core.hooks import Occasion
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Clock

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
LONGEST_LINE = 200
_CUT_THROUGH = re.compile(r"\A\S+")


@dataclass(frozen=True, slots=True)
class Command:
    """A command without a shell, and what it gets beside what every command gets."""

    command: tuple[str, ...]
    environment: tuple[tuple[str, SecretValue], ...]
    folder: Path
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Webhook:
    """A signed POST; the address and the secret are read at each one, for they may be replaced where they lie."""

    url: Callable[[], SecretValue]
    secret: Callable[[], SecretValue]
    way: Way


class ConfiguredHooks:
    """The hooks of a configuration, by name."""

    def __init__(self, hooks: Mapping[str, Command | Webhook], clock: Clock) -> None:
        """Run nothing yet."""
        self._hooks = dict(hooks)
        self._clock = clock

    async def run(self, name: str, occasion: Occasion) -> HookResult:
        """Run the hook of that name once."""
        match self._hooks.get(name):
            case Command() as command:
                return await _run(command, occasion)
            case Webhook() as webhook:
                return await _post(webhook, occasion, self._clock)
        return HookResult(good=False, detail="the configuration has no such hook any more")


async def _run(hook: Command, occasion: Occasion) -> HookResult:
    given = {name: value.reveal() for name, value in hook.environment}
    environment = {"PATH": PATH, "LANG": "C.UTF-8", **given, **variables(occasion)}
    try:
        ended = await run_command(hook.command, environment, folder=hook.folder, limit=hook.timeout)
    except OSError as failure:
        return HookResult(
            good=False, detail=f"it cannot be started ({(failure.strerror or 'why is not told').lower()})"
        )
    except ValueError:
        return HookResult(good=False, detail="it cannot be started (an id holds a character that ends a text)")
    said = last_line(ended, given.values())
    how = _how(ended, hook.timeout)
    return HookResult(ended.code == 0, f"{how}: {said}" if said else how)


def variables(occasion: Occasion) -> dict[str, str]:
    """Return what every command finds in its environment beside `PATH` and `LANG`."""
    return {f"ROTATOR_{name.upper()}": "" if it is None else str(it) for name, it in _references(occasion).items()}


def _how(ended: Ended, timeout: timedelta) -> str:
    if ended.code is None:
        return f"not at its end after {timeout.total_seconds():g} s, so it was killed"
    if ended.code >= 0:
        return f"exit code {ended.code}"
    try:
        return f"ended by {signal.Signals(-ended.code).name}"
    except ValueError:
        return f"ended by signal {-ended.code}"


def last_line(ended: Ended, given: Iterable[str]) -> str:
    """Return the last line that a command said, fit to be repeated: clean of secrets, on one line, not too long."""
    # What was cut through must not be shown: half a secret is none that anybody recognises.
    text = _CUT_THROUGH.sub("", ended.said) if ended.cut else ended.said
    own = Redactor()
    for value in given:
        own.hide(value)
    lines = [line.strip() for line in redact(own.redact(text)).splitlines() if line.strip()]
    line = printable(lines[-1]) if lines else ""
    return line if len(line) <= LONGEST_LINE else line[: LONGEST_LINE - 2] + " …"


async def _post(hook: Webhook, occasion: Occasion, clock: Clock) -> HookResult:
    from rotator.adapters.webhook import post  # noqa: PLC0415 -- of no use to whoever has only commands, or no hooks

    try:
        url, secret = hook.url(), hook.secret()
    except RotatorError as error:
        return HookResult(good=False, detail=str(error))
    posted = await post(url, document(occasion), secret=secret, key=occasion.rotation, at=clock.now(), way=hook.way)
    return HookResult(posted.good, posted.detail)


def document(occasion: Occasion) -> bytes:
    """Return what a webhook is sent. Within one `version` keys are added, never renamed or removed."""
    return json.dumps({"version": 1, "event": "promoted", **_references(occasion)}).encode()


def _references(occasion: Occasion) -> dict[str, str | int | None]:
    return {
        "target": occasion.target,
        "org": occasion.org,
        "app_id": occasion.app_id,
        "client_id": occasion.client_id,
        "rotation_id": occasion.rotation,
        "vault_path": str(occasion.path),
        "vault_version": occasion.version,
        "secret_id": occasion.secret,
        "promoted_at": occasion.promoted_at.isoformat(),
    }
