"""Vault's ACL: which capabilities a set of policies gives on a path (contracts: Vault 4).

* A pattern is exact, or ends in `*` (any rest), or has `+` for single segments.
* An exact pattern beats all others; among the rest the most specific wins: the one whose first wildcard comes
  later, then one without `*` at the end, then fewer `+`, then the longer, then the alphabetically greater.
* Rules for the same pattern in several policies add up, but `deny` beats everything.
* A list that nothing fits is tried again without its slash at the end; capabilities are looked up as for a list.
* A `+` also stands for an empty segment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

ROOT = "root"
DENY = "deny"

DEFAULT_POLICY: Mapping[str, Sequence[str]] = {
    "auth/token/lookup-self": ("read",),
    "auth/token/renew-self": ("update",),
    "auth/token/revoke-self": ("update",),
    "sys/capabilities-self": ("update",),
    "sys/internal/ui/resultant-acl": ("read",),
    "sys/renew": ("update",),
    "sys/leases/renew": ("update",),
    "sys/leases/lookup": ("update",),
    "cubbyhole/*": ("create", "read", "update", "delete", "list"),
    "sys/wrapping/wrap": ("update",),
    "sys/wrapping/lookup": ("update",),
    "sys/wrapping/unwrap": ("update",),
    "sys/tools/hash": ("update",),
    "sys/tools/hash/*": ("update",),
}


@dataclass(frozen=True, slots=True)
class Acl:
    """The rules of all policies of one token, by pattern."""

    rules: Mapping[str, frozenset[str]]
    is_root: bool = False

    @classmethod
    def of(cls, policies: Iterable[Mapping[str, Sequence[str]]], *, is_root: bool = False) -> Acl:
        """Merge policies."""
        rules: dict[str, frozenset[str]] = {}
        for policy in policies:
            for pattern, capabilities in policy.items():
                rules[pattern] = rules.get(pattern, frozenset()) | frozenset(capabilities)
        return cls(rules, is_root)

    def capabilities(self, path: str, *, listing: bool = False) -> frozenset[str]:
        """Return what is allowed on the path; `deny` alone if nothing is."""
        if self.is_root:
            return frozenset({ROOT})
        pattern = self._winner(path, listing=listing)
        found = self.rules[pattern] if pattern is not None else frozenset()
        return frozenset({DENY}) if DENY in found or not found else found

    def allows(self, operation: str, path: str) -> bool:
        """Tell whether the operation is allowed."""
        found = self.capabilities(path, listing=operation == "list")
        return ROOT in found or operation in found

    def touches(self, mount: str) -> bool:
        """Tell whether anything at all is allowed on some path under the mount."""
        if self.is_root:
            return True
        return any(
            DENY not in capabilities and capabilities and _may_lie_under(pattern, mount)
            for pattern, capabilities in self.rules.items()
        )

    def _winner(self, path: str, *, listing: bool) -> str | None:
        forms = [path, path.removesuffix("/")] if listing else [path]
        for form in forms:
            if form in self.rules and not _is_wild(form):
                return form
        for form in forms:
            fitting = [pattern for pattern in self.rules if _is_wild(pattern) and _regex(pattern).fullmatch(form)]
            if fitting:
                return max(fitting, key=_specificity)
        return None


def _is_wild(pattern: str) -> bool:
    return pattern.endswith("*") or "+" in pattern.split("/")


def _specificity(pattern: str) -> tuple[int, bool, int, int, str]:
    stars = [len(pattern) - 1] if pattern.endswith("*") else []
    pluses = [match.start(1) for match in re.finditer(r"(?:^|(?<=/))(\+)(?=/|$)", pattern.removesuffix("*"))]
    return min(stars + pluses), not stars, -len(pluses), len(pattern), pattern


@lru_cache(maxsize=1024)
def _regex(pattern: str) -> re.Pattern[str]:
    body = pattern.removesuffix("*")
    parts = "/".join("[^/]*" if part == "+" else re.escape(part) for part in body.split("/"))
    return re.compile(parts + (".*" if pattern.endswith("*") else ""), re.DOTALL)


def _may_lie_under(pattern: str, mount: str) -> bool:
    """Tell whether some path can fit the pattern and lie under the mount."""
    if not _is_wild(pattern):
        return pattern.startswith(mount)
    segments, ends_open = pattern.removesuffix("*").split("/"), pattern.endswith("*")
    for i, part in enumerate(mount.rstrip("/").split("/")):
        if i >= len(segments):
            return ends_open
        if i == len(segments) - 1 and ends_open:
            return part.startswith(segments[i])
        if segments[i] not in ("+", part):
            return False
    return True
