"""What an event of the System Log says: its names, hashes, and who did it. Pure; the one place that knows its shape.

* Nothing in it is relied on: what is missing, or of another type, is as if it were not there.
* What comes from outside, a program's name or an address, is one printable line of bounded length before people see it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rotator.adapters.okta_connection import USER_AGENT_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_NAME = 80  # of a program or an address, in the lines that people read


def inner(item: dict[str, Any], name: str) -> dict[str, Any]:
    """Return the object that stands there; an empty one if none does."""
    value = item.get(name)
    return value if isinstance(value, dict) else {}


def published(event: dict[str, Any]) -> datetime | None:
    """Return when it happened, by Okta's clock; None if it does not say so."""
    try:
        at = datetime.fromisoformat(str(event.get("published")))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def is_by_us(event: dict[str, Any]) -> bool:
    """Say whether the program that did it is this one, by the name that it gives itself."""
    agent = inner(inner(event, "client"), "userAgent").get("rawUserAgent")
    return isinstance(agent, str) and agent.startswith(USER_AGENT_PREFIX)


def agent_of(event: dict[str, Any]) -> str:
    """Return the program that asked, fit to be shown."""
    return _shown(inner(inner(event, "client"), "userAgent").get("rawUserAgent"))


def address_of(event: dict[str, Any]) -> str:
    """Return where it asked from, fit to be shown."""
    return _shown(inner(event, "client").get("ipAddress"))


def hashes_of(event: dict[str, Any]) -> Iterator[str]:
    """Yield what the event has under the name of a client secret, which is a hash."""
    targets = event.get("target")
    listed = targets if isinstance(targets, list) else ()
    details = [inner(target, "detailEntry") for target in listed if isinstance(target, dict)]
    for fields in (*details, inner(inner(event, "debugContext"), "debugData")):
        for name, text in fields.items():
            if name.lower() == "clientsecret" and isinstance(text, str) and text:
                yield text


def names_of_actor(event: dict[str, Any]) -> frozenset[str]:
    """Return the ids of whoever did it: of a token request the app's id and its client id, or one of them."""
    actor = inner(event, "actor")
    return frozenset(name for name in (actor.get("id"), actor.get("alternateId")) if isinstance(name, str))


def names_of_apps(event: dict[str, Any]) -> Iterator[str]:
    """Yield app ids and client ids, wherever the targets of an event have them."""
    targets = event.get("target")
    for target in targets if isinstance(targets, list) else ():
        if not isinstance(target, dict):
            continue
        details = {key.lower(): value for key, value in inner(target, "detailEntry").items()}
        for name in (target.get("id"), target.get("alternateId"), details.get("clientid")):
            if isinstance(name, str):
                yield name


def names(event: dict[str, Any], any_of: set[str]) -> bool:
    """Say whether one of these strings stands anywhere among its targets and the debug data."""
    return not any_of.isdisjoint(_strings([event.get("target"), event.get("debugContext")]))


def stamp(moment: datetime) -> str:
    """Write a time as the log's queries take it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _shown(text: object) -> str:
    if not isinstance(text, str):
        return ""
    line = " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def _strings(node: object) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _strings(value)
    elif isinstance(node, list):
        for value in node:
            yield from _strings(value)
