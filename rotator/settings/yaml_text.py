"""YAML 1.2, as far as a configuration needs it, from text to a `Document`.

* Built from the parser's events, so that depth, size and aliases are bounded before anything grows.
* Refused: keys that occur twice, tags, directives, merge keys, several documents, keys that are no plain text.
* Only `true`, `false`, numbers and `null` are more than text: `no` and `12:30` stay what they look like.
* Of a syntax error only the kind and the place are told: the parser's own words quote the file.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any, NoReturn

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from rotator.settings.document import Document, Key, Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 1024 * 1024
DEEPEST = 12
MOST_NODES = 100_000  # counted after aliases are expanded
MOST_ALIASES = 1_000

_WORDS = {"null": None, "~": None, "": None, "true": True, "false": False}
# Longer numbers are nothing that a setting could mean, and Python's own limit is no clean error.
_INT = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,18}|[0-9]{1,18}\.[0-9]{0,18})([eE][-+]?[0-9]{1,2})?")


class _Stop(Exception):  # noqa: N818 -- no error: it ends the reading of a document that has its problem noted
    """Nothing more can be made of this text."""


def parse(text: str, place: str) -> Document:
    """Return what the text says, with a line for each key; what is wrong with it stands in `problems`."""
    document = Document(place)
    builder = _Builder(document)
    try:
        builder.build(YAML(typ="safe", pure=True).parse(text))
    except _Stop:
        pass
    except MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        builder.note(mark, f"this is no valid YAML: {_kind(failure)}; check quotes, colons and indentation here")
    except (YAMLError, ValueError, IndexError, AttributeError, TypeError, KeyError, AssertionError):
        # The reader refuses control characters without a mark; the rest are the parser's own slips on garbage.
        document.report((), "this is no valid YAML; check for control characters and broken directives")
    return document


def _kind(failure: MarkedYAMLError) -> str:
    words = re.split(r"""['"`<\n]""", failure.problem or "")[0]
    return words.removesuffix("but found ").strip(" ,").removesuffix("expected") or "unexpected text"


class _Builder:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._aliases = 0
        self._events: Iterator[Event] = iter(())

    def note(self, mark: Any, text: str, key: Key = ()) -> None:
        """Report a problem with its column: here the reader looks at the text itself."""
        place = self._document.place
        origin = Origin(place, mark.line + 1, mark.column + 1) if mark else Origin(place)
        self._document.report(key, text, origin=origin)

    def build(self, events: Iterator[Event]) -> None:
        self._events = events
        for event in events:
            match event:
                case DocumentStartEvent():
                    self._start(event)
                    self._top(next(events))
                case StreamStartEvent() | StreamEndEvent() | DocumentEndEvent():
                    continue

    def _start(self, event: DocumentStartEvent) -> None:
        if self._nodes:
            self._stop(event, "a second document begins here; keep one configuration in a file, and remove the `---`")
        if event.version or event.tags:
            self._stop(event, "directives are not supported; remove the line that begins with `%`")

    def _top(self, event: Event) -> None:
        value = self._value(event, (), 0)
        if isinstance(value, dict):
            self._document.data = value
        elif value is not None:
            self._stop(event, "the configuration must be a mapping; begin with `okta:`")

    def _value(self, event: Event, key: Key, depth: int) -> Any:
        self._count(event, depth)
        if isinstance(event, AliasEvent):
            return self._alias(event)
        if getattr(event, "tag", None):
            self.note(event.start_mark, "tags are not supported; remove the `!…` here", key)
        before = self._nodes
        value = self._content(event, key, depth)
        if anchor := getattr(event, "anchor", None):
            self._anchors[anchor] = (value, self._nodes - before + 1)
        return value

    def _content(self, event: Event, key: Key, depth: int) -> Any:
        if isinstance(event, ScalarEvent):
            return plain(event.value) if event.implicit[0] else event.value
        if isinstance(event, SequenceStartEvent):
            return self._sequence(key, depth)
        assert isinstance(event, MappingStartEvent)
        return self._mapping(key, depth)

    def _sequence(self, key: Key, depth: int) -> list[Any]:
        items: list[Any] = []
        while not isinstance(event := next(self._events), SequenceEndEvent):
            place = (*key, len(items))
            self._locate(place, event)
            items.append(self._value(event, place, depth + 1))
        return items

    def _mapping(self, key: Key, depth: int) -> dict[str, Any]:
        entries: dict[str, Any] = {}
        while not isinstance(event := next(self._events), MappingEndEvent):
            name = self._name(event, key)
            inner = (*key, name)
            if name in entries:
                first = self._document.origins[inner].line
                self.note(event.start_mark, f"is there twice, first in line {first}; remove one of them", inner)
            else:
                self._locate(inner, event)
            value = self._value(next(self._events), inner, depth + 1)
            entries.setdefault(name, value)
        return entries

    def _name(self, event: Event, key: Key) -> str:
        if not isinstance(event, ScalarEvent):
            self._stop(event, "a key must be plain text; check the brackets and the `?` here")
        if event.tag:
            self.note(event.start_mark, "tags are not supported; remove the `!…` here", key)
        if event.value == "<<" and event.implicit[0]:
            self.note(event.start_mark, "merge keys are not part of YAML 1.2; write the keys out", key)
        return str(event.value)

    def _alias(self, event: AliasEvent) -> Any:
        self._aliases += 1
        known = self._anchors.get(event.anchor)
        if known is None:
            self._stop(event, "this alias has no anchor before it; write the value out")
        value, size = known
        self._nodes += size
        if self._aliases > MOST_ALIASES or self._nodes > MOST_NODES:
            self._stop(event, "too many aliases; write the values out")
        return copy.deepcopy(value)

    def _count(self, event: Event, depth: int) -> None:
        self._nodes += 1
        if depth > DEEPEST:
            self._stop(event, f"nested deeper than {DEEPEST} levels; nothing in a configuration is")
        if self._nodes > MOST_NODES:
            self._stop(event, f"more than {MOST_NODES} values; split the configuration")

    def _locate(self, key: Key, event: Event) -> None:
        self._document.origins[key] = Origin(self._document.place, event.start_mark.line + 1)

    def _stop(self, event: Event, text: str) -> NoReturn:
        self.note(event.start_mark, text)
        raise _Stop


def plain(text: str) -> Any:
    """Return what a scalar without quotes means."""
    if text.lower() in _WORDS and text in {text.lower(), text.upper(), text.title()}:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
