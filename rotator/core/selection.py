"""Which apps of an org a selection means, and its members as targets.

* Only apps that can be rotated become members: active ones whose client authenticates with a secret.
* A newcomer, who is gone, and who is in a selection whose listing is not believed, is only observed.
* What a member is called, and its path, are built from ids alone, which nobody can change.
* Who shares an app or a path with another target says so, whichever of them the configuration names.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from rotator.core.model import KvPath, Mode
from rotator.core.sharing import with_conflicts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from rotator.core.model import App, AppId, ClientId, Policy, Target
    from rotator.core.sharing import Sites

APP_ID, CLIENT_ID = "{app_id}", "{client_id}"  # what may build a path: names that nobody can change
_SEGMENT = re.compile(r"(?!\.+$)[A-Za-z0-9_.-]{1,128}")  # of a path: nothing that leads elsewhere


@dataclass(frozen=True, slots=True)
class Member:
    """An app that a selection matched. `newcomer`: it is only observed until a person lets it in.

    `gone_since`: it is not matched any more (renamed, removed, or no longer shown to us), and left alone since.
    `doubted_since`: the listing of its selection is not believed, and all only observe since; who was missing in such
    a listing is gone since then or later.
    """

    selection: str
    app_id: AppId
    client_id: ClientId
    label: str
    since: datetime
    newcomer: bool = True
    gone_since: datetime | None = None
    doubted_since: datetime | None = None

    @property
    def name(self) -> str:
        """The name of its target."""
        return f"{self.selection}/{self.app_id}"

    @property
    def expected(self) -> bool:
        """Say whether a listing should have it: it was there in the last one that was believed."""
        return self.gone_since is None or (self.doubted_since is not None and self.gone_since >= self.doubted_since)

    @property
    def only_observed(self) -> str:
        """Say why it is only observed whatever its policy is, and what to do; empty if it is not."""
        if self.gone_since is not None:
            return f"its selection does not match it any more, as seen at {self.gone_since:%Y-%m-%d %H:%M} UTC"
        if self.doubted_since is not None:
            return f"the list of apps is not believed; `rotator resume {self.selection}` believes it"
        return f"it is new; `rotator resume {self.name}` lets it in" if self.newcomer else ""


class Newcomers(enum.Enum):
    """What an app is first treated as when it begins to match."""

    OBSERVE = "observe"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Selection:
    """Many targets from one entry: by a pattern on the label (as of a shell), or by app ids.

    `target` is what all of them are like: named like the selection, with `APP_ID` or `CLIENT_ID` where an id belongs.
    """

    name: str
    target: Target
    label: str | None = None
    apps: frozenset[AppId] = frozenset()
    max_matches: int = 2000
    newcomers: Newcomers = Newcomers.OBSERVE
    overrides: Mapping[AppId, Policy] = field(default_factory=dict)
    hooks: Mapping[AppId, tuple[str, ...]] = field(default_factory=dict)  # of those with another policy

    def means(self, app_id: AppId, label: str) -> bool:
        """Say whether the selection means an app of that id and label."""
        return app_id in self.apps if self.label is None else fnmatchcase(label, self.label)

    def takes(self, app: App) -> bool:
        """Say whether an app that is meant can be rotated, as far as the app itself shows."""
        return has_secret(app) and all(_SEGMENT.fullmatch(each) for each in (app.id, app.client_id))

    def target_of(self, member: Member) -> Target:
        """Return the member as a target."""
        policy = self.overrides.get(member.app_id, self.target.policy)
        return replace(
            self.target,
            name=member.name,
            app_id=member.app_id,
            consumer=_filled_in(self.target.consumer, member),
            also=tuple(replace(each, path=_filled_in(each.path, member)) for each in self.target.also),
            staging=_filled_in(self.target.staging, member),
            policy=replace(policy, mode=Mode.OBSERVE) if member.only_observed else policy,
            hooks=self.hooks.get(member.app_id, self.target.hooks),
            only_observed=member.only_observed,
        )


class Wanted(Protocol):
    """Protocol: what the configuration wants: targets by name, and selections."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """Those that stand there by name."""
        ...

    @property
    def selections(self) -> tuple[Selection, ...]:
        """Those whose members are to be found out."""
        ...

    @property
    def sites(self) -> Sites:
        """What the aliases lead to."""
        ...


def has_secret(app: App) -> bool:
    """Say whether the app is active and authenticates with a secret."""
    return app.status == "ACTIVE" and app.sign_on_mode == "OPENID_CONNECT" and app.auth_method.uses_secret


def targets_of(wanted: Wanted, members: Iterable[Member]) -> tuple[Target, ...]:
    """Return all targets: those that are named, and the members of the selections; who shares something says so.

    Who is gone shares nothing: it is left alone, and its app may have been given a target of its own.
    """
    selections = {selection.name: selection for selection in wanted.selections}
    known = [member for member in members if member.selection in selections]
    there, gone = (
        [selections[each.selection].target_of(each) for each in known if (each.gone_since is None) is present]
        for present in (True, False)
    )
    return (*with_conflicts([*wanted.targets, *there], wanted.sites), *gone)


def _filled_in(path: KvPath, member: Member) -> KvPath:
    return KvPath(path.mount, path.path.replace(APP_ID, member.app_id).replace(CLIENT_ID, member.client_id))
