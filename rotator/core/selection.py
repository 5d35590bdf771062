"""Which apps of an org a selection means, and what a new listing of them changes.

* Only apps that can be rotated become members: active ones whose client authenticates with a secret. Others that match
  are counted.
* A newcomer is only observed until a person lets it in, unless the selection says `newcomers: policy`. All whom the
  first listing brings are newcomers.
* Who is not matched any more is left alone, and stays known: if it comes back, it is as it was before.
* A listing that was refused or is empty, or that lacks two members or more and over `MOST_GONE` of them at once, is
  not believed: all members only observe until a listing is plausible again or a person believes this one.
* Who is not meant any more because the configuration says so has not vanished.
* More matches than `max_matches` change nothing.
* What a member is called, and the ids that build its path, never change once it is known.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Protocol

from rotator.core.model import KvPath, Mode
from rotator.core.sharing import with_conflicts
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from rotator.core.model import App, AppId, ClientId, Policy, Target
    from rotator.core.sharing import Sites
    from rotator.errors import RotatorError

APP_ID, CLIENT_ID = "{app_id}", "{client_id}"  # what may build a path: names that nobody can change
MOST_GONE = 0.3  # of the members, at once
NAMED = 5  # apps in one notice
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
            staging=_filled_in(self.target.staging, member),
            policy=replace(policy, mode=Mode.OBSERVE) if member.only_observed else policy,
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


class Kind(enum.Enum):
    """What a notice is about. The value is the event in the log."""

    CHANGED = "selection_members_changed"
    BELIEVED = "selection_believed"
    NOTHING = "selection_matches_nothing"
    PASSED_OVER = "selection_apps_passed_over"
    NOT_FOUND = "selection_apps_not_found"
    NOT_LISTED = "selection_not_listed"
    NOT_BELIEVED = "selection_not_believed"
    REFUSED = "selection_refused"


@dataclass(frozen=True, slots=True)
class Notice:
    """What a listing changed, or why it is not followed. As long as that stays so it is the same notice.

    `error`: why the selection cannot be carried on as it is meant to.
    """

    kind: Kind
    selection: str
    detail: str
    hint: str = field(default="", compare=False)
    error: RotatorError | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class Selected:
    """A selection after a listing: all its members, and what to tell."""

    members: tuple[Member, ...]
    notices: tuple[Notice, ...] = ()


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


def next_members(selection: Selection, apps: Sequence[App], *, known: Sequence[Member], now: datetime) -> Selected:
    """Return the selection after a listing that brought these apps."""
    meant = [app for app in apps if selection.means(app.id, app.label)]
    taken = {app.id: app for app in meant if selection.takes(app)}
    notices = _beside(selection, meant, taken)
    if len(taken) > selection.max_matches:
        return Selected(tuple(known), (_too_many(selection, len(taken)), *notices))
    expected = [each for each in known if each.expected and selection.means(each.app_id, each.label)]
    missing = [each for each in expected if each.app_id not in taken]
    if expected and not apps:
        why = f"the list is empty; members so far: {len(expected)}"
    elif len(missing) > max(1, MOST_GONE * len(expected)):
        why = f"{len(missing)} of {len(expected)} members are missing at once: {_named(missing)}"
    else:
        return _followed(selection, taken, known=known, now=now, notices=notices)
    hint = (
        "Check that our role may still see these apps. Nothing is written for the members meanwhile. "
        f"If it is as it should be: `rotator resume {selection.name}`."
    )
    doubted = _doubted(known, expected=expected, missing=missing, now=now)
    return Selected(doubted, (Notice(Kind.NOT_BELIEVED, selection.name, why, hint), *notices))


def unlisted(selection: Selection, error: RotatorError, *, known: Sequence[Member], now: datetime) -> Selected:
    """Return the selection after a listing that was refused, or cannot be understood."""
    hint = f"{error.hint} Until then its members are only observed.".lstrip()
    notice = Notice(Kind.NOT_BELIEVED, selection.name, f"its apps cannot be listed: {error}", hint, error)
    return Selected(_doubted(known, now=now), (notice,))


def put_off(selection: Selection, error: RotatorError, *, known: Sequence[Member]) -> Selected:
    """Return the selection as it was: nobody can be asked now."""
    detail = "its apps cannot be listed now; the members known so far are used"
    return Selected(tuple(known), (Notice(Kind.NOT_LISTED, selection.name, detail, error.hint, error),))


def let_in(members: Iterable[Member], names: Collection[str]) -> tuple[Member, ...]:
    """Return whom it changes that a person names these: members, app ids, or selections with all their members.

    Where the listing of a selection is not believed, to name the selection is to believe it, and lets nobody in.
    """
    everybody = tuple(members)
    doubted = {each.selection for each in everybody if each.doubted_since is not None}
    after = (_let_in(each, names, doubted) for each in everybody)
    return tuple(new for new, old in zip(after, everybody, strict=True) if new != old)


# ----------------------------------------------------------------------------------------------------------


def _let_in(member: Member, names: Collection[str], doubted: Collection[str]) -> Member:
    if member.name in names or member.app_id in names:
        return replace(member, newcomer=False)
    if member.selection not in names:
        return member
    if member.selection in doubted:
        return replace(member, doubted_since=None)
    return member if member.gone_since else replace(member, newcomer=False)


def _filled_in(path: KvPath, member: Member) -> KvPath:
    return KvPath(path.mount, path.path.replace(APP_ID, member.app_id).replace(CLIENT_ID, member.client_id))


def _doubted(
    known: Sequence[Member], *, expected: Sequence[Member] = (), missing: Sequence[Member] = (), now: datetime
) -> tuple[Member, ...]:
    """Have all only observe; who is missing is noted, for the case that somebody believes it."""
    there = {each.app_id for each in expected} - {each.app_id for each in missing}
    lost = {each.app_id for each in missing}
    return tuple(
        replace(
            each,
            doubted_since=each.doubted_since or now,
            gone_since=None if each.app_id in there else each.gone_since or (now if each.app_id in lost else None),
        )
        for each in known
    )


def _followed(
    selection: Selection,
    taken: Mapping[AppId, App],
    *,
    known: Sequence[Member],
    now: datetime,
    notices: tuple[Notice, ...],
) -> Selected:
    """Return the selection after a listing that is believed."""
    ids = {each.app_id for each in known}
    new = [
        Member(selection.name, app.id, app.client_id, app.label, now, newcomer=selection.newcomers is Newcomers.OBSERVE)
        for app in taken.values()
        if app.id not in ids
    ]
    kept = [
        replace(each, label=taken[each.app_id].label, gone_since=None, doubted_since=None)
        if each.app_id in taken
        else replace(each, gone_since=each.gone_since or now, doubted_since=None)
        for each in known
    ]
    gone = [each for each in known if each.expected and each.app_id not in taken]
    back = [each for each in known if not each.expected and each.app_id in taken]
    members = tuple(sorted([*kept, *new], key=lambda each: each.app_id))
    told = [*_believed(selection, known), *_changes(selection, new, gone, back), *notices]
    if not members:
        hint = "Check `where`, and that our role may see these apps."
        told.append(Notice(Kind.NOTHING, selection.name, "no app that can be rotated matches", hint))
    return Selected(members, tuple(told))


def _believed(selection: Selection, known: Sequence[Member]) -> list[Notice]:
    if all(each.doubted_since is None for each in known):
        return []
    return [Notice(Kind.BELIEVED, selection.name, "the list of apps is plausible again; its members go on")]


def _changes(
    selection: Selection, new: Sequence[Member], gone: Sequence[Member], back: Sequence[Member]
) -> list[Notice]:
    groups = (("new", new), ("gone", gone), ("back", back))
    parts = [f"{len(group)} {word}: {_named(group)}" for word, group in groups if group]
    hints = []
    if any(each.newcomer for each in new):
        hints.append(f"Who is new is only observed until let in: `rotator resume {selection.name}`.")
    if gone:
        hints.append("Who is gone is left alone, and its secrets as they are.")
    return [Notice(Kind.CHANGED, selection.name, "; ".join(parts), " ".join(hints))] if parts else []


def _beside(selection: Selection, meant: Sequence[App], taken: Mapping[AppId, App]) -> tuple[Notice, ...]:
    """Tell which apps are meant and cannot be members, and which ids Okta does not show."""
    over = [app for app in meant if app.id not in taken and app.status == "ACTIVE"]
    unseen = sorted(selection.apps - {app.id for app in meant})
    found = []
    if over:
        detail = f"no secret to rotate in {len(over)} of those that match: {_named(over)}"
        found.append(Notice(Kind.PASSED_OVER, selection.name, detail, "Narrow `where` if they should not match."))
    if unseen:
        hint = "Check the ids under `where`, and that our role's resource set includes the apps."
        found.append(Notice(Kind.NOT_FOUND, selection.name, f"Okta shows no app {', '.join(unseen[:NAMED])}", hint))
    return tuple(found)


def _too_many(selection: Selection, matches: int) -> Notice:
    detail = f"{matches} apps match, and `max_matches` is {selection.max_matches}; the members stay as they are"
    hint = "Narrow `where`, or raise `max_matches`."
    error = RefusedError(f"selection `{selection.name}`: {detail}", code="max_matches", hint=hint)
    return Notice(Kind.REFUSED, selection.name, detail, hint, error)


def _named(apps: Sequence[App | Member]) -> str:
    """Return a few of them, by label and id."""
    ids = [(each.app_id if isinstance(each, Member) else each.id, each.label) for each in apps]
    shown = ", ".join(f"{label} ({app_id})" for app_id, label in sorted(ids)[:NAMED])
    return shown + (", …" if len(ids) > NAMED else "")
