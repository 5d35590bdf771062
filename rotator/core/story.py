"""A target's rotations, told from its rows of the audit. Pure.

* An act is an effect with its two rows. One whose second row is missing was cut off: nobody wrote down how it ended.
* An act belongs to the rotation that its last row names. What leads to a rotation, an order or a staging that came to
  nothing, belongs to the next one that begins; what belongs to none, such as a pause, is told by itself.
* What ended unknown, or was cut off, was settled by the next look: by whatever followed it.
* A value was promoted when that was written down; where it was not, and the staging was closed without discarding, it
  was promoted by then. It was verified by the first good proof after that.
* The old secret is off and gone by what was done after the promotion; what was removed before it made room. One that is
  switched on again, for whoever still used it, is not off.
* An approval leads to a rotation as well. That the old secret may go belongs to the last rotation; that a foreign one
  may go, and what was done with it then, is told by itself. Going back is a rotation of its own, to an old secret.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rotator.core.history import Ended
from rotator.core.model import ProofLevel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rotator.core.history import Row

DONE, NOT_DONE, UNKNOWN = (how.value for how in Ended)
CUT_OFF = "cut off"
_LOOK_AT_NOTHING = frozenset({"Pause", "Resume"})
_ALONE = _LOOK_AT_NOTHING | {"Adopt"}
_LEADS = frozenset({"OrderReplacement", "Approve"})
_REMOVES = frozenset({"Deactivate", "Activate", "Delete"})
OPEN = frozenset({UNKNOWN, CUT_OFF})
GOOD = frozenset(level.value for level in ProofLevel if level.good)


@dataclass(frozen=True, slots=True)
class Act:
    """One effect, or one proof. `settled` is the act that showed how it ended, where that was not known at once."""

    begins: Row  # the only row of a proof, or what is left of a pair
    ends: Row | None
    settled: Act | None = None

    @property
    def last(self) -> Row:
        """The row that knows most."""
        return self.ends or self.begins

    @property
    def how(self) -> str:
        """How it ended, as far as is written."""
        return self.last.how or CUT_OFF

    @property
    def step(self) -> str:
        return self.begins.step


@dataclass(frozen=True, slots=True)
class Story:
    """A rotation, or what was done outside of one (`rotation` is None then)."""

    rotation: str | None
    acts: tuple[Act, ...]

    @property
    def begun_at(self) -> datetime:
        return self.acts[0].begins.at

    @property
    def last_at(self) -> datetime:
        return max(act.last.at for act in self.acts)

    @property
    def actor(self) -> str:
        """Who began it."""
        return self._staged.begins.actor

    @property
    def reason(self) -> str:
        """Why it was begun."""
        return self._staged.last.reason

    @property
    def promoted_at(self) -> datetime | None:
        """When consumers could read the new value, at the latest."""
        promotion = self._promotion
        return promotion.last.at if promotion else None

    @property
    def verified(self) -> Row | None:
        """The first good proof of what consumers read."""
        return next((act.last for act in self._after if act.last.proof in GOOD), None)

    @property
    def off_at(self) -> datetime | None:
        """When the old secret was switched off, if it still is."""
        switched = [act for act in self._after if act.step in {"Deactivate", "Activate"} and act.how == DONE]
        return switched[-1].last.at if switched and switched[-1].step == "Deactivate" else None

    @property
    def on_again(self) -> bool:
        """Whether the old secret was switched on again after it was off."""
        switched = [act for act in self._after if act.step in {"Deactivate", "Activate"} and act.how == DONE]
        return len(switched) > 1 and switched[-1].step == "Activate"

    @property
    def gone_at(self) -> datetime | None:
        """When the old secret was deleted."""
        return next((act.last.at for act in self._after if act.step == "Delete" and act.how == DONE), None)

    @property
    def doubts(self) -> tuple[Act, ...]:
        """What nobody knew the end of at once."""
        return tuple(act for act in self.acts if act.how in OPEN)

    @property
    def state(self) -> str:
        """How far it has come, in a word for people."""
        if self.rotation is None:
            return "outside of a rotation"
        if self.gone_at:
            return "finished"
        if self.off_at:
            return "the old one is off"
        if self.on_again:
            return "the old one is on again"
        if any(act.step == "Rollback" for act in self.acts):
            return "rolled back" if self.promoted_at else "going back"
        if self.promoted_at:
            return "promoted and verified" if self.verified else "promoted"
        return "discarded" if any(act.step == "Discard" and act.how == DONE for act in self.acts) else "under way"

    @property
    def _staged(self) -> Act:
        return next((act for act in self.acts if act.step == "Stage"), self.acts[0])

    @property
    def _promotion(self) -> Act | None:
        done = [act for act in self.acts if act.step == "Promote" and act.how == DONE]
        if done:
            return done[0]
        doubtful = [act for act in self.acts if act.step == "Promote" and act.how in OPEN]
        steps = {act.step for act in self.acts if act.how == DONE}
        return doubtful[-1] if doubtful and "CloseStaging" in steps and "Discard" not in steps else None

    @property
    def _after(self) -> Sequence[Act]:
        promotion = self._promotion
        return self.acts[self.acts.index(promotion) + 1 :] if promotion else ()


def stories(rows: Iterable[Row]) -> tuple[Story, ...]:
    """Return the stories that a target's rows tell, oldest first."""
    told = [Story(rotation, tuple(acts)) for rotation, acts in _by_rotation(_settled(_acts(rows)))]
    return tuple(sorted(told, key=lambda story: story.acts[0].begins.number))


def _acts(rows: Iterable[Row]) -> list[Act]:
    begun: dict[int, Act] = {}
    for row in rows:
        if row.begun in begun:
            begun[row.begun] = Act(begun[row.begun].begins, row)
        else:  # a row before an effect; or one whose first row is pruned, or that never had any
            begun[row.number] = Act(row, row if row.how else None)
    return list(begun.values())


def _settled(acts: Sequence[Act]) -> list[Act]:
    """Tell of each act in doubt what followed it: the target was looked at in between."""
    following: Act | None = None
    told: list[Act] = []
    for act in reversed(acts):
        told.append(replace(act, settled=following) if act.how in OPEN else act)
        following = following if act.step in _LOOK_AT_NOTHING else act
    return told[::-1]


def _by_rotation(acts: Sequence[Act]) -> list[tuple[str | None, list[Act]]]:
    rotations: dict[str, list[Act]] = {}
    leading: list[Act] = []
    alone: list[Act] = []
    reclaimed: dict[str | None, list[Act]] = {}
    for act in acts:
        rotation, secret = act.last.rotation_id, act.last.secret_id
        if act.step in _LEADS or (act.step == "Stage" and act.how != DONE):
            leading.append(act)
        elif act.step == "Reclaim":
            reclaimed.setdefault(secret, []).append(act)
        elif act.step in _REMOVES and secret in reclaimed:
            reclaimed[secret].append(act)
        elif act.step == "Retire" and rotation is None and rotations:
            rotations[next(reversed(rotations))].append(act)
        elif rotation is None or act.step in _ALONE:
            alone.append(act)
        elif rotation in rotations:
            rotations[rotation].append(act)
        elif act.step == "Stage" or any(each.step == "Stage" and each.how in OPEN for each in leading):
            rotations[rotation], leading = [*leading, act], []
        else:  # begun before there was an audit
            rotations[rotation] = [act]
    by_themselves = [*reclaimed.values(), *([act] for act in (*alone, *leading))]
    return [*rotations.items(), *((None, told) for told in by_themselves)]
