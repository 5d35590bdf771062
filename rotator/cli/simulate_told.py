"""What a simulation showed: tables and a chart for people, JSON and an SVG for programs and pages.

The JSON is stable: within one `version` keys are added, never renamed or removed.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.cli.chart import Bars, as_svg, as_text
from rotator.cli.output import print_lines, print_table
from rotator.cli.report import VERSION
from rotator.core.capacity_minutes import MINUTE
from rotator.core.capacity_warnings import span, warnings_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from rotator.core.capacity_figures import Figures, OrgFigures, PolicyFigures
    from rotator.core.capacity_scene import Scene

PLAIN_WIDTH = 80
ORGS = ("ORG", "TARGETS", "CALLS", "A MINUTE", "BUSIEST MINUTE", "BUSIEST HOUR", "BUSIEST DAY", "FULL MINUTES")
POLICIES = ("POLICY", "TARGETS", "ROTATIONS", "OVERDUE", "UNTIL", "LATEST", "TWO ACTIVE", "OPENINGS", "TOO SMALL")


@dataclass(frozen=True, slots=True)
class Basis:
    """What a simulation went by. `limits`: calls a minute for our login, by org."""

    scene: Scene
    seed: int
    limits: Mapping[str, int]
    asked: bool  # those are Okta's own word
    known: int  # targets whose age is remembered
    invented: bool


# --- for people ---------------------------------------------------------------------------------------------


def show(figures: Figures, basis: Basis) -> None:
    """Print it all: what it went by, the tables, what does not fit, and a chart."""
    print_lines([*_basis(figures, basis), ""])
    print_table(ORGS, [_org_row(org, basis.scene) for org in figures.orgs])
    print_lines([""])
    print_table(POLICIES, [_policy_row(policy) for policy in figures.policies])
    print_lines([""])
    print_lines([*_emergencies(figures), *_dark(figures)])
    for warned in warnings_of(figures):
        print_lines([f"warning: {warned.text}", f"         {warned.hint}"])
    plain = not sys.stdout.isatty() or not (sys.stdout.encoding or "").lower().startswith("utf")
    width = PLAIN_WIDTH if not sys.stdout.isatty() else shutil.get_terminal_size().columns
    for bars in bars_of(figures):
        print("\n".join(["", *as_text(bars, width=width, plain=plain)]))


def _basis(figures: Figures, basis: Basis) -> Iterator[str]:
    scene, count = basis.scene, len(basis.scene.members)
    whose = "invented targets" if basis.invented else "targets"
    ages = f"ages of {basis.known:,} from the state database, " if basis.known else ""
    yield f"{count:,} {whose}, {ages}{'the others' if ages else 'ages'} drawn with seed {basis.seed}"
    yield f"{scene.start:%Y-%m-%d}, {scene.span.days} days; each is looked at every {span(scene.pace.resync)} at least"
    for org in figures.orgs:
        source = "as Okta says" if basis.asked else "by --limit and --login-share"
        yield (
            f"{org.org}: {basis.limits[org.org]} calls a minute for our login, {source};"
            f" of these {org.room.routine} for what is routine, {org.room.urgent} for what is urgent"
        )


def _org_row(org: OrgFigures, scene: Scene) -> tuple[str, ...]:
    minutes = int(scene.span.total_seconds()) // MINUTE
    return (
        org.org,
        f"{org.targets:,}",
        f"{org.total:,}",
        f"{org.total / minutes:.2f}",
        f"{org.minute.calls:,} ({org.minute.at:%m-%d %H:%M})",
        f"{org.hour.calls:,} ({org.hour.at:%m-%d %H:%M})",
        f"{org.day.calls:,} ({org.day.at:%m-%d})",
        f"{org.full:,}",
    )


def _policy_row(policy: PolicyFigures) -> tuple[str, ...]:
    return (
        policy.policy.name,
        f"{policy.targets:,}",
        f"{policy.begun:,}",
        f"{policy.overdue:,}" if policy.overdue else "-",
        f"{policy.backlog_over:%Y-%m-%d %H:%M}" if policy.backlog_over else "-",
        span(policy.latest) if policy.latest >= timedelta(minutes=1) else "-",
        span(policy.two_active),
        f"{policy.openings:,}" if policy.policy.windows else "always",
        f"{len(policy.too_small):,}" if policy.too_small else "-",
    )


def _emergencies(figures: Figures) -> Iterator[str]:
    for each in figures.emergencies:
        yield (
            f"{each.org}: were all {each.targets:,} compromised at once, all would be replaced after"
            f" {span(each.promoted_after)}, and the old ones off after {span(each.removed_after)}"
        )


def _dark(figures: Figures) -> Iterator[str]:
    for policy in figures.policies:
        for each in policy.dark:
            until = f"{each.caught_up:%Y-%m-%d %H:%M}" if each.caught_up else "after the end"
            when = f"{each.begins:%Y-%m-%d %H:%M} to {each.ends:%Y-%m-%d %H:%M} UTC"
            caught_up = f"; the last of them begins {until}" if each.fell else ""
            yield f"blackout of policy `{policy.policy.name}`, {when}: {each.fell:,} fall due in it{caught_up}"


# --- charts -------------------------------------------------------------------------------------------------


def bars_of(figures: Figures) -> list[Bars]:
    """Return the days as bars: the busiest minute of each org, and the rotations."""
    scene = figures.scene
    dark = frozenset(
        day
        for policy in figures.policies
        for each in policy.dark
        for day in range(_day(scene, each.begins), _day(scene, each.ends))
        if 0 <= day < scene.span.days
    )
    orgs = [
        Bars(
            f"{org.org}: calls in the busiest minute of each day",
            scene.start.date(),
            org.busiest,
            line=org.room.routine,
            line_name=f"routine share: {org.room.routine}",
            dark=dark,
        )
        for org in figures.orgs
    ]
    return [*orgs, Bars("rotations begun on each day", scene.start.date(), figures.rotations_by_day, dark=dark)]


def _day(scene: Scene, moment: datetime) -> int:
    return scene.second(moment) // (24 * 60 * MINUTE)


def svg_of(figures: Figures) -> str:
    """Return the chart as a file."""
    days, count = figures.scene.span.days, len(figures.scene.members)
    return as_svg(bars_of(figures), f"{count:,} targets over {days} days from {figures.scene.start:%Y-%m-%d}")


# --- for programs -------------------------------------------------------------------------------------------


def as_json(figures: Figures, basis: Basis) -> dict[str, Any]:
    """Return the stable form for programs."""
    scene = basis.scene
    return {
        "version": VERSION,
        "command": "simulate",
        "exit_code": 0,
        "start": scene.start.isoformat(),
        "days": scene.span.days,
        "seed": basis.seed,
        "resync_seconds": int(scene.pace.resync.total_seconds()),
        "targets": len(scene.members),
        "invented": basis.invented,
        "ages_known": basis.known,
        "orgs": [_org_as_json(org, basis) for org in figures.orgs],
        "policies": [_policy_as_json(policy) for policy in figures.policies],
        "rotations_by_day": list(figures.rotations_by_day),
        "emergency": [
            {
                "org": each.org,
                "targets": each.targets,
                "calls": each.calls,
                "replaced_after_seconds": _seconds(each.promoted_after),
                "old_ones_off_after_seconds": _seconds(each.removed_after),
            }
            for each in figures.emergencies
        ],
        "warnings": [
            {"what": each.what, "whom": each.whom, "detail": each.text, "hint": each.hint}
            for each in warnings_of(figures)
        ],
    }


def _org_as_json(org: OrgFigures, basis: Basis) -> dict[str, Any]:
    return {
        "org": org.org,
        "targets": org.targets,
        "limit": basis.limits[org.org],
        "limit_from": "okta" if basis.asked else "option",
        "routine_share": org.room.routine,
        "urgent_share": org.room.urgent,
        "calls": org.total,
        "calls_by_kind": {kind.replace(" ", "_"): count for kind, count in org.spent.items()},
        "busiest_minute": {"calls": org.minute.calls, "at": org.minute.at.isoformat()},
        "busiest_hour": {"calls": org.hour.calls, "at": org.hour.at.isoformat()},
        "busiest_day": {"calls": org.day.calls, "at": org.day.at.isoformat()},
        "full_minutes": org.full,
        "late_looks": org.late_looks,
        "calls_by_day": list(org.by_day),
        "busiest_minute_by_day": list(org.busiest),
    }


def _policy_as_json(policy: PolicyFigures) -> dict[str, Any]:
    return {
        "policy": policy.policy.name,
        "mode": policy.policy.mode.value,
        "targets": policy.targets,
        "due": policy.due,
        "rotations": policy.begun,
        "overdue_at_start": policy.overdue,
        "backlog_over_at": policy.backlog_over.isoformat() if policy.backlog_over else None,
        "longest_wait_seconds": _seconds(policy.latest),
        "longest_two_active_seconds": _seconds(policy.two_active),
        "longest_two_active_of": policy.two_active_of or None,
        "openings": policy.openings,
        "openings_too_small": [
            {"opens": each.opens.isoformat(), "closes": each.closes.isoformat(), "fell": each.fell, "left": each.left}
            for each in policy.too_small
        ],
        "blackouts": [
            {
                "begins": each.begins.isoformat(),
                "ends": each.ends.isoformat(),
                "fell": each.fell,
                "caught_up_at": each.caught_up.isoformat() if each.caught_up else None,
            }
            for each in policy.dark
        ],
    }


def _seconds(length: timedelta) -> int:
    return int(length.total_seconds())
