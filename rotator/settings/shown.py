"""The resolved configuration as lines, each with the place that it comes from.

Secrets are not in it: their keys hold references. A role id is no secret, but nobody else's business
either; nor is a webhook's address.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rotator.settings.model import Setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic import BaseModel

    from rotator.settings.document import Document, Key

_HIDDEN = frozenset({"role_id"})


def shown_settings(document: Document, sections: Mapping[Key, BaseModel]) -> tuple[Setting, ...]:
    """Return every value that is set or has a default."""
    return tuple(
        Setting(
            document.shown(key), _text(key, value), str(document.origin(key)) if _is_set(document, key) else "default"
        )
        for place, section in sections.items()
        for key, value in _leaves(place, section.model_dump(mode="json", by_alias=True))
        if value is not None
    )


def _is_set(document: Document, key: Key) -> bool:
    if document.get(key) is not None:
        return True
    # `overlap: 7d` is what `overlap.min` comes from.
    return isinstance(document.get(key[:-1]), str)


def _leaves(key: Key, value: Any) -> Iterator[tuple[Key, Any]]:
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _leaves((*key, name), each)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, each in enumerate(value):
            yield from _leaves((*key, index), each)
    else:
        yield key, value


def _text(key: Key, value: Any) -> str:
    if key[-1] in _HIDDEN or (key[0], key[-1]) == ("notify", "url"):
        return "(set)"
    if isinstance(value, bool):
        return "true" if value else "false"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
