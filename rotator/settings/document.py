"""A configuration as plain data that knows where each of its keys came from, and collects what is wrong with them.

* Steps over a document never raise for what they find: they report it and go on, so that all of it is said at once.
* A problem is `origin: key: what is wrong; what to do`, in the order of the file.
* An origin is inherited: a key that has none of its own stands where the nearest key above it stands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from rotator.errors import ConfigError
from rotator.redaction import redact_values

if TYPE_CHECKING:
    from collections.abc import Iterator

Key = tuple[str | int, ...]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_WORD = re.compile(r"[A-Za-z0-9_.-]{1,30}")  # longer ones may be a token that lost its key
_NAMED_SECTIONS = frozenset({"okta", "vaults", "policies", "targets", "selections", "hooks"})


class Origin(NamedTuple):
    """The place that gave a key: a file and a line, or the name of something else."""

    place: str
    line: int = 0
    column: int = 0  # where it helps: in what cannot be read at all

    def __str__(self) -> str:
        return ":".join([self.place, *(str(number) for number in self[1:] if number)])


class Problem(NamedTuple):
    """One thing that is wrong, sorted as it stands in the file."""

    origin: Origin
    text: str


@dataclass(slots=True)
class Document:
    """The data, the origins of its keys, and what is wrong with it so far."""

    place: str
    data: dict[str, Any] = field(default_factory=dict)
    origins: dict[Key, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)
    told: set[Key] = field(default_factory=set)  # keys of which enough was said
    flat: set[str] = field(default_factory=set)  # sections written without an alias level

    def origin(self, key: Key) -> Origin:
        """Return where the key came from, or the nearest one above it that came from somewhere."""
        for length in range(len(key), 0, -1):
            if found := self.origins.get(key[:length]):
                return found
        return Origin(self.place)

    def report(self, key: Key, text: str, *, origin: Origin | None = None) -> None:
        """Note that something is wrong with a key: what, and what to do."""
        if any(key[:length] in self.told for length in range(1, len(key) + 1)):
            return
        self.problems.append(Problem(origin or self.origin(key), self._about(key, text)))

    def warn(self, key: Key, text: str) -> None:
        """Note something that works but is not as it should be."""
        self.warnings.append(Problem(self.origin(key), self._about(key, text)))

    def _about(self, key: Key, text: str) -> str:
        return f"{self.shown(key)}: {text}" if key else text

    def shown(self, key: Key) -> str:
        """Return the key as its author wrote it, as far as it is fit to be repeated."""
        steps = list(key)
        if len(steps) > 1 and steps[0] in self.flat:
            del steps[1]
        text = "".join(_step(steps, index) for index in range(len(steps)))
        return text.removeprefix(".")

    def get(self, key: Key) -> Any:
        """Return the value of a key; None if it is absent."""
        value: Any = self.data
        for step in key:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def has(self, key: Key) -> bool:
        """Say whether the key is there, be it with an empty value."""
        above = self.get(key[:-1])
        return isinstance(above, dict) and key[-1] in above

    def put(self, key: Key, value: Any, origin: Origin) -> bool:
        """Set a key, making what has to be above it; False if something is in the way."""
        above: Any = self.data
        for step, following in pairwise(key):
            above = _entered(above, step, [] if isinstance(following, int) else {})
        if not isinstance(above, dict):
            return False
        above[key[-1]] = value
        self.origins[key] = origin
        return True

    def refuse(self, key: Key, text: str) -> None:
        """Report a key and take it out, so that nothing else is said of it."""
        self.report(key, text)
        self.told.add(key)
        if self.has(key):
            del self.get(key[:-1])[key[-1]]

    def names(self, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the entries of a section that are mappings."""
        entries = self.data.get(section)
        if isinstance(entries, dict):
            yield from ((name, entry) for name, entry in entries.items() if isinstance(entry, dict))

    def raise_problems(self) -> None:
        """Raise one `ConfigError` with everything that was reported, if anything was."""
        if self.problems:
            raise ConfigError(told(self.problems))


def told(problems: list[Problem]) -> list[str]:
    """Return problems as lines, each once, in the order of the file."""
    # Names are repeated, and a secret may have slipped into one.
    return list(dict.fromkeys(f"{problem.origin}: {redact_values(problem.text)}" for problem in sorted(problems)))


def _entered(above: Any, step: str | int, empty: Any) -> Any:
    if isinstance(above, list) and step == len(above):
        above.append(empty)
    elif isinstance(above, dict) and above.get(step) is None:
        above[step] = empty
    try:
        return above[step]
    except (KeyError, IndexError, TypeError):
        return None


def _step(steps: list[str | int], index: int) -> str:
    step = steps[index]
    if isinstance(step, int):
        return f"[{step}]"
    named = index == 1 and steps[0] in _NAMED_SECTIONS
    return f".{step}" if (_NAME if named else _WORD).fullmatch(step) else ".?"
