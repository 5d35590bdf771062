"""What rotator needs to be allowed in Vault, and how that is written as a policy (contracts: Vault 4). Pure.

* The one list of rights: the pre-flight compares with it, and `rotator policy vault` prints it.
* Exact paths for what consumers read; below the staging prefix the records of all targets.
* Never `delete`, `sudo`, `list` or `patch`, no `destroy` outside staging, nothing that writes metadata.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.model import KvPath
from rotator.core.selection import APP_ID, CLIENT_ID
from rotator.core.sharing import paths_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rotator.core.model import Target
    from rotator.core.selection import Selection

WHY_CONSUMERS = ("What consumers read. `create` is for a path that was never written, `update` for every rotation.",)
WHY_STAGING = (
    "Where new values wait until they are proven. Nobody else may read here; what was promoted is destroyed by number.",
)
WHY_ITSELF = (
    "Our own token, and what the pre-flight asks of it. The policy `default` has these lines as well; they stand here",
    "for roles without it (token_no_default_policy=true).",
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A path of the API, or a pattern for several, and what is allowed there."""

    path: str
    capabilities: tuple[str, ...]

    def __str__(self) -> str:
        listed = ", ".join(f'"{each}"' for each in self.capabilities)
        return f'path "{self.path}" {{ capabilities = [{listed}] }}'


@dataclass(frozen=True, slots=True)
class Section:
    """Rules that belong together, and why they are there: one line each."""

    why: tuple[str, ...]
    rules: tuple[Rule, ...]


def on_consumer_path(path: KvPath) -> tuple[Rule, ...]:
    """Return what is needed where consumers read."""
    return (
        Rule(f"{path.mount}/data/{path.path}", ("create", "read", "update")),
        Rule(f"{path.mount}/metadata/{path.path}", ("read",)),
    )


def on_staging(path: KvPath) -> tuple[Rule, ...]:
    """Return what is needed for a staging record, or for all of them below a prefix."""
    return (
        Rule(f"{path.mount}/data/{path.path}", ("create", "read", "update")),
        Rule(f"{path.mount}/metadata/{path.path}", ("read",)),
        Rule(f"{path.mount}/destroy/{path.path}", ("update",)),
    )


def of_target(target: Target) -> tuple[Rule, ...]:
    """Return what one target needs, by exact paths."""
    on_consumer_paths = (rule for path in paths_of(target) for rule in on_consumer_path(path))
    return (*on_consumer_paths, *on_staging(target.staging))


ON_ITSELF = (
    Rule("auth/token/lookup-self", ("read",)),
    Rule("auth/token/renew-self", ("update",)),
    Rule("auth/token/revoke-self", ("update",)),
    Rule("sys/capabilities-self", ("update",)),
)


def consumer_patterns(targets: Iterable[Target], selections: Iterable[Selection] = ()) -> tuple[KvPath, ...]:
    """Return the places that a policy names for what these consumers read, each once.

    Of a selection it is a pattern: `+` is one segment, whatever it is (contracts: Vault 4).
    """
    exact = (path for target in targets for path in paths_of(target))
    patterns = (_pattern(path) for selection in selections for path in paths_of(selection.target))
    return tuple(dict.fromkeys((*exact, *patterns)))


def _pattern(path: KvPath) -> KvPath:
    of_an_app = (APP_ID, CLIENT_ID)
    segments = ("+" if any(each in part for each in of_an_app) else part for part in path.path.split("/"))
    return KvPath(path.mount, "/".join(segments))


def least_policy(consumers: Sequence[KvPath], staging: KvPath) -> tuple[Section, ...]:
    """Return the least policy for these places and that staging prefix."""
    return (
        Section(WHY_CONSUMERS, tuple(rule for path in consumers for rule in on_consumer_path(path))),
        Section(WHY_STAGING, on_staging(KvPath(staging.mount, f"{staging.path}/*"))),
        Section(WHY_ITSELF, ON_ITSELF),
    )


def as_hcl(sections: Iterable[Section]) -> str:
    """Write sections as Vault reads them: a rule in a line, under the reason for it."""
    blocks = [
        "\n".join([*(f"# {line}" for line in each.why), *map(str, each.rules)]) for each in sections if each.rules
    ]
    return "\n\n".join(blocks) + "\n"
