"""Keys and values that the design knows and this release does not act on, and secrets that stand in the open.

They are refused in words of their own, and nothing else is said of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.settings.document import Document, Key

_ANY = "*"
_SECTIONS = ("web", "log")
_KEYS: tuple[Key, ...] = (
    *((section,) for section in _SECTIONS),
    *(("policies", _ANY, key) for key in ("notify", "secret_source")),
    *((section, _ANY, key) for section in ("targets", "selections") for key in ("notify", "secret_source", "usage")),
)
_VALUES: tuple[tuple[Key, frozenset[str]], ...] = (
    (("okta", _ANY, "auth", "method"), frozenset({"dpop"})),
    (("vaults", _ANY, "auth", "method"), frozenset({"cert", "aws"})),
)
_IN_THE_OPEN = {
    "token": "token_file",
    "private_key": "key_file",
    "key": "key_file",
    "secret_id": "secret_id_file",
    "jwt": "jwt_file",
}
_CHANNEL: Key = ("notify", "channels", _ANY)


def refuse_later(document: Document) -> None:
    """Report what this release does not act on, and every secret that is written out."""
    for pattern in _KEYS:
        for key in _matches(document.data, pattern):
            document.refuse(key, "is nothing that this release acts on yet; remove it")
    for pattern, values in _VALUES:
        for key in _matches(document.data, pattern):
            if isinstance(found := document.get(key), str) and found in values:
                document.refuse(key, "is a value that this release does not act on yet; choose another")
                document.told.add(key[:-1] if key[-1] == "method" else key)  # what goes with a method is moot
    _refuse_secrets(document)


def _refuse_secrets(document: Document) -> None:
    for section in ("okta", "vaults"):
        for name, instead in _IN_THE_OPEN.items():
            for key in _matches(document.data, (section, _ANY, "auth", name)):
                document.refuse(key, f"a secret may not stand here; put it into a file, and name that by `{instead}`")
                document.told.add((*key[:-1], instead))
    for key, instead in (
        *((key, "url_file") for key in _matches(document.data, ("heartbeat", "url"))),
        *((key, "url_file") for key in _matches(document.data, (*_CHANNEL, "url")) if _is_secret(document, key)),
        *((key, "secret_file") for key in _matches(document.data, (*_CHANNEL, "secret"))),
    ):
        document.refuse(key, f"a secret may not stand here; put it into a file, and name that by `{instead}`")
        document.told.add((*key[:-1], instead))
    if document.has(("state", "password")):
        document.refuse(
            ("state", "password"),
            "a secret may not stand here; put it into a file, and name that by `password_file`",
        )


def _is_secret(document: Document, key: Key) -> bool:
    """Say whether a channel's address is all that it takes to send there."""
    return bool(document.get((*key[:-1], "kind")) == "apprise")


def _matches(data: dict[str, Any], pattern: Key) -> Iterator[Key]:
    """Return the keys that are there, in the shape of the pattern."""
    found: list[tuple[Key, Any]] = [((), data)]
    for step in pattern:
        found = [
            ((*key, name), value[name])
            for key, value in found
            if isinstance(value, dict)
            for name in ([*value] if step == _ANY else [step] if step in value else [])
        ]
    return (key for key, _ in found)
