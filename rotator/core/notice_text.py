"""What a notice looks like: a title and some lines for people, a document for programs. Pure.

* A message is one notice, or a digest of those that were held back.
* Nothing in it is secret: names, ids, times, and what the errors say.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.core.notices import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rotator.core.notices import Notice

VERSION = 1
LISTED = 40  # notices of a digest that are written out
LONGEST = 1000  # characters of one detail or hint; services cut off what is too long, or refuse it
WORDS = {
    Kind.ROTATED: "rotated",
    Kind.FAILED: "failed",
    Kind.BLOCKED: "blocked",
    Kind.IN_USE: "old secret still in use",
    Kind.REACTIVATED: "old secret switched on again",
    Kind.UPCOMING: "rotation ahead",
    Kind.LATE: "late",
    Kind.BRAKE: "held back",
    Kind.RECOVERED: "recovered",
}
GOOD = frozenset({Kind.ROTATED, Kind.RECOVERED})
BAD = frozenset({Kind.FAILED, Kind.BLOCKED})


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out at once. `mood`: success, info, warning or failure, for services that show one."""

    id: str
    title: str
    body: str
    mood: str
    document: Mapping[str, Any]


def message_of(notices: Sequence[Notice], at: datetime) -> Message:
    """Return the message that tells these."""
    return _single(notices[0]) if len(notices) == 1 else _digest(notices, at)


def trial(channel: str, at: datetime) -> Message:
    """Return a message that a person asked for, to see whether it comes."""
    body = f"This is a test of channel `{channel}`. Nothing has happened."
    named = f"test-{at:%Y%m%dT%H%M%S%f}"
    document = {"version": VERSION, "id": named, "kind": "test", "at": at.isoformat(), "detail": body}
    return Message(named, "rotator: test", body, "info", document)


def title_of(notice: Notice) -> str:
    """Return one line without the detail."""
    return f"rotator: {notice.subject.name}: {WORDS[notice.kind]}"


def _single(notice: Notice) -> Message:
    document = {"version": VERSION, **_as_json(notice)}
    lines = [_cut(notice.detail), _cut(notice.hint), _about(notice)]
    return Message(
        notice.id, title_of(notice), "\n".join(line for line in lines if line), _mood([notice.kind]), document
    )


def _digest(notices: Sequence[Notice], at: datetime) -> Message:
    counts = Counter(notice.kind for notice in notices)
    summed = ", ".join(f"{counts[kind]} {WORDS[kind]}" for kind in Kind if counts[kind])
    lines = [
        f"- {notice.subject.name}: {WORDS[notice.kind]}: {_cut(notice.detail, 200)}" for notice in notices[:LISTED]
    ]
    if len(notices) > LISTED:
        lines.append(f"and {len(notices) - LISTED} more; `rotator status` shows how all stand")
    named = hashlib.sha256("|".join(notice.id for notice in notices).encode()).hexdigest()[:20]
    document = {
        "version": VERSION,
        "id": named,
        "kind": "digest",
        "at": at.isoformat(),
        "notices": [_as_json(notice) for notice in notices],
    }
    title = f"rotator: {len(notices)} notices that were held back"
    return Message(named, title, "\n".join([f"{summed}:", *lines]), _mood(counts), document)


def _as_json(notice: Notice) -> dict[str, Any]:
    subject = notice.subject
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "of": notice.of.value if notice.of else None,
        "at": notice.at.isoformat(),
        "since": notice.since.isoformat(),
        "subject": subject.name,
        "target": subject.name if subject.app_id else None,
        "org": subject.org or None,
        "app_id": subject.app_id or None,
        "policy": subject.policy or None,
        "title": title_of(notice),
        "detail": _cut(notice.detail),
        "hint": _cut(notice.hint),
    }


def _about(notice: Notice) -> str:
    subject = notice.subject
    where = f"org {subject.org}, app {subject.app_id}, " if subject.app_id else ""
    return f"({where}since {notice.since:%Y-%m-%d %H:%M} UTC)"


def _mood(kinds: Sequence[Kind] | Mapping[Kind, int]) -> str:
    found = frozenset(kinds)
    if found & BAD:
        return "failure"
    if found <= GOOD:
        return "success"
    return "info" if found <= GOOD | {Kind.UPCOMING} else "warning"


def _cut(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
