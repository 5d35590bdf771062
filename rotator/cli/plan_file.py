"""A plan as a file: JSON without secrets, for its owner alone, written whole or not at all, and read with suspicion.

* It says what was to be done with each target, in words and as a step, and what that was decided on.
* It is refused unless it is whole and unchanged, and of the same configuration, orgs and release; each refusal says
  where, what and what to do.
* Its digest finds what was changed by mistake. Whoever forges one gains nothing: what does not follow from the state of
  Okta and Vault at that time is not done.
"""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, get_args

from rotator import __version__
from rotator.app.plans import Planned
from rotator.core.actions import Effect
from rotator.core.agenda import digest_of as settings_of
from rotator.core.foresight import Step, step_of
from rotator.core.model import Mode, SecretId
from rotator.core.plan import basis_of, digest_of, fingerprint_of
from rotator.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from rotator.cli.report import Report
    from rotator.core.model import Target
    from rotator.settings import Settings

KIND, VERSION = "rotator plan", 1
LARGEST = 256 * 1024 * 1024  # bytes
CLOCKS = timedelta(minutes=5)
STEPS = frozenset(kind.__name__ for kind in get_args(Effect))
ANEW = "make a new one with `rotator plan --out`"
_TEXT, _MAYBE, _NUMBER, _YES_NO = (str,), (str, type(None)), (int,), (bool,)
BASIS: dict[str, Any] = {
    "app": {"status": _MAYBE, "client_id": _MAYBE, "auth_method": _MAYBE},
    "secrets": {str: {"status": _TEXT, "created": _TEXT, "changed": _TEXT}},
    "consumer": {"version": _NUMBER, "written": _MAYBE, "unreadable": [_NUMBER]},
    "staging": dict.fromkeys(("version", "base_version"), _NUMBER)
    | dict.fromkeys(("rotation_id", "reason", "ordered", "removed", "rollback"), _MAYBE)
    | {"state": _TEXT, "paused": _YES_NO, "approved": _YES_NO},
    "others": [_NUMBER],
}
ENTRY: dict[str, Any] = {
    **dict.fromkeys(("target", "org", "app_id", "path", "settings", "words", "fingerprint"), _TEXT),
    "step": {"name": _TEXT, "secret": _MAYBE, "why": _TEXT},
    "basis": BASIS,
}
PLAN: dict[str, Any] = {
    **dict.fromkeys(("kind", "rotator", "written_at", "digest"), _TEXT),
    "version": _NUMBER,
    "orgs": {str: _TEXT},
    "targets": [ENTRY],
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan that was read: whole, unchanged, and of this release and these orgs. `entries` are what is to be done."""

    file: Path
    written_at: datetime
    entries: tuple[dict[str, Any], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Whom it is about."""
        return tuple(entry["target"] for entry in self.entries)

    def of(self, targets: Iterable[Target]) -> tuple[Planned, ...]:
        """Return it with these targets; `ConfigError` where they are not configured as they were."""
        found = {target.name: target for target in targets}
        if moved := [problem for entry in self.entries for problem in _of_other_settings(entry, found)]:
            raise ConfigError([f"{self.file}: {problem}; {ANEW}" for problem in moved])
        return tuple(Planned(found[each["target"]], _step(each["step"]), each["basis"]) for each in self.entries)


# --- writing ------------------------------------------------------------------------------------------------


def write_plan(file: Path, reports: Sequence[Report], settings: Settings, now: datetime) -> int:
    """Write what these reports would have done, and return for how many targets that is something."""
    targets = [_entry(each) for each in reports if each.outcome is not None and each.outcome.seen is not None]
    document = {
        "kind": KIND,
        "version": VERSION,
        "rotator": __version__,
        "written_at": now.astimezone(UTC).isoformat(),
        "orgs": {alias: org.host for alias, org in settings.orgs.items()},
        "targets": targets,
    }
    _replace(file, json.dumps({**document, "digest": digest_of(document)}, indent=1) + "\n")
    return sum(each["step"] is not None for each in targets)


def _entry(told: Report) -> dict[str, Any]:
    assert told.outcome
    assert told.outcome.seen
    target, planned = told.target, told.outcome.planned
    only_observed = bool(target.only_observed) or target.policy.mode is Mode.OBSERVE
    step = step_of(planned) if planned is not None and not only_observed else None
    basis, settings = basis_of(told.outcome.seen), settings_of(target)
    return {
        "target": target.name,
        "org": target.org,
        "app_id": target.app_id,
        "path": str(target.consumer),
        "settings": settings,
        "step": {"name": step.name, "secret": step.secret, "why": step.why} if step else None,
        "words": told.message or told.next or told.result.value,
        "basis": basis,
        "fingerprint": fingerprint_of(settings, basis, step),
    }


def _replace(file: Path, text: str) -> None:
    """Write the file whole, for its owner alone, in the place of one that may be there."""
    beside = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "w", encoding="ascii") as plan:  # noqa: PTH123 -- a descriptor
                plan.write(text)
                plan.flush()
                os.fsync(plan.fileno())
            beside.replace(file)
        finally:
            beside.unlink(missing_ok=True)  # it is there only where something went wrong
    except OSError as failure:
        raise ConfigError([f"{file}: {failure.strerror or failure}; choose another place for --out"]) from failure


# --- reading ------------------------------------------------------------------------------------------------


def read_plan(file: Path, settings: Settings, *, now: datetime, max_age: timedelta) -> Plan:
    """Return the plan in a file; `ConfigError` with what is wrong with it."""
    document = _document(file)
    if problems := [*_of_another(document, settings, now, max_age)]:
        raise ConfigError([f"{file}: {problem}; {ANEW}" for problem in problems])
    entries = tuple(entry for entry in document["targets"] if entry["step"] is not None)
    return Plan(file, datetime.fromisoformat(document["written_at"]), entries)


def _document(file: Path) -> dict[str, Any]:
    """Return what is in the file if it is a plan, whole and unchanged."""
    try:
        if file.stat().st_size > LARGEST:
            raise ConfigError([f"{file}: is no plan: it is too large; {ANEW}"])
        document = json.loads(file.read_bytes())
    except OSError as failure:
        raise ConfigError([f"{file}: {failure.strerror or failure}; {ANEW}"]) from failure
    except json.JSONDecodeError as problem:
        where = f"{file}:{problem.lineno}: column {problem.colno}"
        raise ConfigError([f"{where}: is no JSON: {problem.msg}; {ANEW}"]) from None
    except (ValueError, RecursionError):
        raise ConfigError([f"{file}: is no JSON; {ANEW}"]) from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ConfigError([f"{file}: is no plan of `rotator plan`; {ANEW}"])
    if document.get("version") != VERSION:
        raise ConfigError([f"{file}: is a plan of another form than this release reads; {ANEW}"])
    if wrong := next(_misshapen(document, PLAN, ""), ""):
        raise ConfigError([f"{file}: {wrong}; {ANEW}"])
    if document["digest"] != digest_of({key: value for key, value in document.items() if key != "digest"}):
        raise ConfigError([f"{file}: was changed after it was written, or cut short; {ANEW}"])
    return document


def _misshapen(found: object, wanted: Any, where: str) -> Iterator[str]:
    """Yield where a document is not of that shape."""
    place = where or "the plan"
    if isinstance(wanted, tuple):
        if not isinstance(found, wanted) or (isinstance(found, bool) and bool not in wanted):
            yield f"`{place}` is not what it should be"
    elif isinstance(wanted, list):
        if not isinstance(found, list):
            yield f"`{place}` is no list"
            return
        for n, each in enumerate(found):
            yield from _misshapen(each, wanted[0], f"{where}[{n}]")
    elif not isinstance(found, dict):
        if not (found is None and where.endswith(".step")):
            yield f"`{place}` is not what it should be"
    elif str in wanted:
        for key, each in found.items():
            yield from _misshapen(each, wanted[str], f"{where}.{key}")
    else:
        for key in sorted(wanted.keys() ^ found.keys()):
            yield f"`{where}.{key}` ".replace("`.", "`") + ("is missing" if key in wanted else "does not belong there")
        for key in sorted(wanted.keys() & found.keys()):
            yield from _misshapen(found[key], wanted[key], f"{where}.{key}" if where else key)


def _of_another(document: dict[str, Any], settings: Settings, now: datetime, max_age: timedelta) -> Iterator[str]:
    """Yield what shows that it is of another time, release or org."""
    from rotator.cli.report import age

    try:
        written_at = datetime.fromisoformat(document["written_at"])
        old = now - written_at
    except (ValueError, TypeError, OverflowError):
        yield "`written_at` is no time"
        return
    if old > max_age:
        yield f"is {age(old)} old, and --max-age allows {age(max_age)}"
    if old < -CLOCKS:
        yield f"was written at {document['written_at']}, which is still to come"
    if document["rotator"] != __version__:
        yield f"was written by rotator {document['rotator']}, and this is {__version__}"
    hosts = {alias: org.host for alias, org in settings.orgs.items()}
    for alias, host in document["orgs"].items():
        if hosts.get(alias) != host:
            yield f"org `{alias}` was {host}, and is {hosts.get(alias, 'not configured')} now"
    names = [entry["target"] for entry in document["targets"]]
    if len(set(names)) != len(names):
        yield "names a target twice"
    for entry in document["targets"]:
        if entry["step"] is not None and entry["step"]["name"] not in STEPS:
            yield f"`{entry['target']}` has a step that there is not"
        elif entry["fingerprint"] != fingerprint_of(entry["settings"], entry["basis"], _step(entry["step"])):
            yield f"`{entry['target']}` is not as it was written"


def _of_other_settings(entry: dict[str, Any], targets: dict[str, Target]) -> Iterator[str]:
    target = targets.get(entry["target"])
    if target is None or (entry["org"], entry["app_id"]) != (target.org, target.app_id):
        yield f"`{entry['target']}` is another target now"
    elif entry["settings"] != settings_of(target):
        yield f"the configuration of `{target.name}` has changed since"


def _step(step: dict[str, Any] | None) -> Step | None:
    return Step(step["name"], SecretId(step["secret"]) if step["secret"] else None, step["why"]) if step else None
