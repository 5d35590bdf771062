"""`ROTATOR_*`: any key of the configuration from the environment, two underscores for each level.

* `ROTATOR_OKTA__ACME__ORG_URL` is `okta.acme.org_url`; names are found whatever their case, `-` and `.` being `_`.
* `ROTATOR_OKTA__ACME__AUTH__TOKEN` is the secret itself, `…__TOKEN_FILE` is where it lies.
* A variable without two underscores is none of ours: Kubernetes sets `ROTATOR_PORT_…` for a service of that name.
* An empty variable is an absent one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.settings.aliases import ALIAS, keys_of_one
from rotator.settings.document import Document, Key, Origin
from rotator.settings.kinds import EnvironmentText
from rotator.settings.model import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PREFIX = "ROTATOR_"
_PLAIN = ("limits", "state", "health", "control", "notify", "heartbeat")
_SECTIONS = ("okta", "vaults", "policies", "targets", "selections", "hooks", *_PLAIN)
_NAMELESS = frozenset(_PLAIN)  # sections without names of somebody's choice
_TELLING = frozenset({"notify", "heartbeat"})  # addresses are secrets there
_LISTS = frozenset({"write_to", "windows", "blackouts", "command"})
_SECRETS = {
    "token": "token_file",
    "private_key": "key_file",
    "role_id": "role_id",
    "secret_id": "secret_id_file",
    "jwt": "jwt_file",
}


class _WrongNameError(Exception):
    """The variable's name leads nowhere; the text says what to do."""


def apply_overrides(document: Document, environ: Mapping[str, str]) -> None:
    """Lay the variables of ours over the document."""
    for name in sorted(environ):
        if name.startswith(PREFIX) and "__" in name and environ[name]:
            _apply(document, name, environ[name])


def _apply(document: Document, name: str, value: str) -> None:
    origin = variable(name)
    try:
        key = _key(document, name.removeprefix(PREFIX).lower().split("__"))
    except _WrongNameError as wrong:
        document.report((), str(wrong), origin=origin)
        return
    given: str = EnvironmentText(value)
    if len(key) > 2 and key[-2] == "auth" and (place := _SECRETS.get(str(key[-1]))) and place != key[-1]:
        key, given = (*key[:-1], place), f"env:{name}"
    elif key == ("state", "password") or (key[0] in _TELLING and key[-1] in {"url", "secret"}):
        key, given = (*key[:-1], f"{key[-1]}_file"), f"env:{name}"
    if not document.put(key, given, origin):
        document.report(key, "leads nowhere; check the variable's name", origin=origin)


def variable(name: str) -> Origin:
    """Return the origin of what an environment variable gave."""
    return Origin(f"environment {name}")


def _key(document: Document, steps: list[str]) -> Key:
    if steps[0] not in _SECTIONS:
        raise _WrongNameError(f"names no section of the configuration; {nearest(steps[0], _SECTIONS)}")
    if len(steps) < 2 or not all(steps):
        raise _WrongNameError("names no key; write it as ROTATOR_SECTION__NAME__KEY")
    section, rest = steps[0], steps[1:]
    if section == "notify" and rest[0] == "channels" and len(rest) > 2:
        rest[1] = _found(rest[1], document.get(("notify", "channels")) or ())
    if section in _NAMELESS:
        return (section, *rest)
    entries = [name for name, _ in document.names(section)]
    if section in {"okta", "vaults"} and rest[0] in keys_of_one(section):
        name = _only(document, section, entries)
    else:
        name, rest = _found(rest[0], entries), rest[1:]
    if not rest:
        raise _WrongNameError("names no key; write it as ROTATOR_SECTION__NAME__KEY")
    return (section, name, *_indexed(rest))


def _only(document: Document, section: str, entries: list[str]) -> str:
    if len(entries) > 1:
        raise _WrongNameError(f"there are several under `{section}`; write its alias after `{section.upper()}__`")
    if not entries:
        document.flat.add(section)
    return entries[0] if entries else ALIAS


def _found(step: str, entries: Iterable[str]) -> str:
    matching = [name for name in entries if name.replace("-", "_").replace(".", "_").lower() == step]
    if len(matching) > 1:
        raise _WrongNameError("several names are the same with underscores; set this one in the file")
    return matching[0] if matching else step


def _indexed(steps: list[str]) -> Key:
    before = ["", *steps]
    return tuple(
        int(step) if above in _LISTS and step.isdecimal() and len(step) < 3 else step
        for above, step in zip(before, steps, strict=False)
    )
