"""What of a fleet's figures an operator has to know, in words, each with what to do about it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.admission import most_at_once
from rotator.core.capacity_minutes import AT_REST, CALLS, ROTATION
from rotator.core.model import Mode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.capacity_figures import Figures, OrgFigures, PolicyFigures
    from rotator.core.capacity_scene import Scene

A_DAY, A_WEEK = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Warned:
    """One of them. `what` is its stable word."""

    what: str
    whom: str  # a policy or an org
    text: str
    hint: str


def warnings_of(figures: Figures) -> tuple[Warned, ...]:
    """Return what does not fit, and what is worth knowing before it happens."""
    return (
        *_about_the_start(figures),
        *(warned for policy in figures.policies for warned in _about_policy(policy, figures)),
        *(warned for org in figures.orgs for warned in _about_org(org, figures.scene)),
    )


def _about_the_start(figures: Figures) -> Iterator[Warned]:
    scene, overdue = figures.scene, sum(policy.overdue for policy in figures.policies)
    strangers = sum(member.known_since is None for member in scene.members)
    most = most_at_once(scene.limits, len(scene.members))
    if overdue > most and strangers:
        yield Warned(
            "many due at the start",
            "all",
            f"{overdue} targets are due at the start, more than {most} (`limits`): a new daemon stops there and asks",
            "Here it was let go on, as `rotator resume --all` does. `backlog_spread` lets them begin one by one.",
        )


def _about_policy(figures: PolicyFigures, whole: Figures) -> Iterator[Warned]:
    policy = figures.policy
    if policy.mode is Mode.OBSERVE:
        yield Warned(
            "only observes",
            policy.name,
            f"policy `{policy.name}` observes: nothing is rotated; here it is played as if it were let",
            "Set `mode: auto` when you want what is shown here.",
        )
    if policy.mode is Mode.MANUAL:
        yield Warned(
            "rotates when told",
            policy.name,
            f"policy `{policy.name}` rotates when told: its {figures.targets} targets are only looked at here",
            "Set `mode: auto` to see what they cost.",
        )
    if policy.mode is Mode.APPROVE:
        yield Warned(
            "approved at once",
            policy.name,
            f"policy `{policy.name}` asks for approval: here each rotation is approved as soon as it is due",
            "What is approved later is rotated later, and as much at once as is approved at once.",
        )
    if not figures.openings:
        yield Warned(
            "never open",
            policy.name,
            f"policy `{policy.name}` is never open in all that time",
            "Look at `windows` and `blackouts`.",
        )
    if figures.too_small:
        yield _small_windows(figures, whole)
    if figures.overdue and figures.backlog_over is None:
        yield Warned(
            "backlog not over",
            policy.name,
            f"policy `{policy.name}`: what was overdue at the start is not rotated at the end",
            "Widen `windows` or `wave`, or shorten `backlog_spread`.",
        )
    if figures.two_active > policy.overlap + A_WEEK:
        yield Warned(
            "two active for long",
            policy.name,
            f"policy `{policy.name}`: two secrets of {figures.two_active_of} are active for"
            f" {span(figures.two_active)}; `overlap` is {span(policy.overlap)}",
            "The old one is switched off in a window alone: it waits for one after a blackout, or for room.",
        )


def _small_windows(figures: PolicyFigures, whole: Figures) -> Warned:
    policy, worst = figures.policy, max(figures.too_small, key=lambda each: each.left)
    lasts = worst.closes - worst.opens
    holds = [
        (min(org.room.routine for org in whole.orgs) * int(lasts.total_seconds() // 60) // ROTATION, "Okta's limit")
    ]
    if policy.wave is not None:
        holds.append((int(lasts / policy.wave.spacing + 1) * policy.wave.size, "`wave`"))
    most, by_what = min(holds)
    return Warned(
        "window too small",
        policy.name,
        f"policy `{policy.name}`: {len(figures.too_small)} of {figures.openings} openings are over before all that fell"
        f" into them has begun; the worst opens {worst.opens:%Y-%m-%d %H:%M} UTC for {span(lasts)}: of {worst.fell}"
        f" {worst.left} wait for the next one. By {by_what} it holds {most}",
        "Give it more or longer `windows`" + (", or larger waves." if by_what == "`wave`" else "."),
    )


def _about_org(figures: OrgFigures, scene: Scene) -> Iterator[Warned]:
    looks = figures.targets * CALLS["look"] * (A_DAY / scene.pace.resync)
    if figures.late_looks:
        yield Warned(
            "looks without room",
            figures.org,
            f"org `{figures.org}`: {figures.late_looks} looks at rest find no room until the end; {looks:.0f} a day are"
            f" meant, and {figures.spent.get(AT_REST, 0):,} were made in all",
            "A longer `--resync` needs fewer; a higher `rate_share.routine` gives more room.",
        )


def span(length: timedelta) -> str:
    """Return a length of time for people."""
    minutes = int(length.total_seconds()) // 60
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = [f"{days} d" if days else "", f"{hours} h" if hours else "", f"{rest} min" if rest and not days else ""]
    return " ".join(part for part in parts if part) or "no time"
