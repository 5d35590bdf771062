"""What a new listing of an org's apps changes for a selection, and what a person changes.

* A newcomer is only observed until a person lets it in, unless the selection says `newcomers: policy`. All whom the
  first listing brings are newcomers.
* Who is not matched any more is left alone, and stays known: if it comes back, it is as it was before.
* A listing that was refused or is empty, or that lacks two members or more and over `MOST_GONE` of them at once, is
  not believed: all members only observe until a listing is plausible again or a person believes this one.
* Who is not meant any more because the configuration says so has not vanished.
* More matches than `max_matches` change nothing. Who matches and cannot be rotated is counted.
* The ids of a member stay as they were when it was first seen.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rotator.core.selection import Member, Newcomers
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from rotator.core.model import App, AppId
    from rotator.core.selection import Selection
    from rotator.errors import RotatorError

MOST_GONE = 0.3  # of the members, at once
NAMED = 5  # apps in one notice


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
