"""Targets as text for a configuration, by the same rules by which they are read there.

* Each has a name of its own, built from the app's label, that no other target or selection has.
* What stands in it is quoted, a label is a comment on one line: nothing in it can become something else.
* What the rules refuse is left out and told.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from rotator.core.selection import APP_ID, CLIENT_ID
from rotator.errors import ConfigError
from rotator.printable import printable
from rotator.settings.schema import DestinationsSection, TargetSection

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from rotator.core.model import App

LONGEST_NAME = 40
ANY = "any"  # alias, where the only one is filled in
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})  # to some readers no text
_OTHER = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where the secrets are to be written, and the aliases of org and Vault, where there are several."""

    mount: str
    path: str  # with `{app_id}` or `{client_id}`
    org: str | None = None
    vault: str | None = None


@dataclass(frozen=True, slots=True)
class Entries:
    """The text, how many targets are in it, and the apps that cannot be targets."""

    text: str
    count: int
    left_out: tuple[App, ...]


def place_of(to: str, *, vault: str | None = None) -> Place:
    """Return the place that `MOUNT/PATH` means; `ConfigError` if it is none for many apps."""
    mount, _, path = to.strip("/").partition("/")
    try:
        DestinationsSection.model_validate({"mount": mount, "path": path})
    except ValidationError as failure:
        found = failure.errors(include_input=False, include_url=False, include_context=False)
    else:
        return Place(mount, path, vault=vault)
    raise ConfigError([f"--to: {each['loc'][-1]} {each['msg'].removeprefix('Value error, ')}" for each in found])


def target_entries(apps: Sequence[tuple[App, str, Place]], *, head: str, taken: Collection[str]) -> Entries:
    """Return a `targets:` section with these apps, each with a note on it, under a comment."""
    names, lines, left_out = set(taken), [f"# {_comment(line)}" for line in head.splitlines()], []
    lines.append("targets:")
    for app, note, place in apps:
        entry = _entry(app, place)
        if not _fits(entry):
            left_out.append(app)
            continue
        name = _name(app, names)
        names.add(name)
        lines += [f"  # {_comment(app.label)}: {_comment(note)}", f"  {name}:"]
        lines += [f"    {key}: {json.dumps(value)}" for key, value in entry.items()]
    count = len(apps) - len(left_out)
    return Entries("\n".join(lines if count else [*lines[:-1], "targets: {}"]) + "\n", count, tuple(left_out))


def _entry(app: App, place: Place) -> dict[str, Any]:
    path = place.path.replace(APP_ID, app.id).replace(CLIENT_ID, app.client_id)
    aliases = {"org": place.org, "vault": place.vault}
    named = {key: alias for key, alias in aliases.items() if alias is not None}
    return {"app_id": str(app.id), **named, "write_to": [{"mount": place.mount, "path": path}]}


def _fits(entry: dict[str, Any]) -> bool:
    try:
        TargetSection.model_validate({"org": ANY, "vault": ANY, **entry})
    except ValidationError:
        return False
    return True


def _name(app: App, taken: Collection[str]) -> str:
    plain = _OTHER.sub("-", app.label.lower()).strip("-")[:LONGEST_NAME].strip("-") or str(app.id)
    name = plain if plain[0].isalpha() and plain not in _WORDS else f"app-{plain}"
    return name if name not in taken else f"{name}-{app.id}"


def _comment(text: str) -> str:
    return "".join(each if each.isprintable() else "?" for each in printable(text))
