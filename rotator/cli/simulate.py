"""`rotator simulate`: what a fleet will cost of Okta's small rate limit, before it does.

* Nobody is asked but the state database, and Okta where the command says so; nothing is changed.
* The same input gives the same bytes: what is not known is drawn by `--seed`, and the start is a day.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.run import DAY, SECOND, Duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.cli.simulate_told import Basis
    from rotator.core.agenda import Remembered
    from rotator.core.capacity_scene import Member
    from rotator.core.model import Policy, Target
    from rotator.settings import Settings
    from rotator.wiring import Worlds

ORGS_LIMIT = 100  # calls a minute of the small bucket, on a paid org (contracts: Okta 6.2)
INVENTED = "invented"


def _day(_ctx: click.Context, _param: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise click.BadParameter(f"{text!r} is no day; write it as 2026-01-31") from None


@click.command()
@click.option("--days", type=click.IntRange(1, 1830), default=365, show_default=True, help="For how long.")
@click.option("--start", metavar="DAY", callback=_day, help="The first day, as 2026-01-31, in UTC. [default: today]")
@click.option("--targets", type=click.IntRange(1, 100_000), metavar="N", help="So many invented ones instead of yours.")
@click.option("--policy", metavar="NAME", help="With --targets: their policy. [default: the only one]")
@click.option(
    "--oldest",
    type=Duration(DAY, 3650 * DAY),
    help="Ages that nobody knows are drawn up to this. [default: the policy's `rotate_after`]",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of what is drawn.")
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=ORGS_LIMIT,
    show_default=True,
    metavar="CALLS",
    help="The org's limit on calls a minute below /api/v1/apps.",
)
@click.option(
    "--login-share",
    type=click.IntRange(1, 100),
    default=50,
    show_default=True,
    metavar="PERCENT",
    help="How much of it Okta gives one login.",
)
@click.option("--ask-okta", is_flag=True, help="Ask each org what its limit is for our login, by one call.")
@click.option(
    "--resync",
    type=Duration(SECOND, 7 * DAY),
    default="7d",
    show_default=True,
    help="How often the daemon looks at each target: as `rotator run --resync`.",
)
@click.option("--chart", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.svg", help="Draw it there.")
@config_option
@output_option
@click.pass_obj
def simulate(invocation: Invocation, /, *, output: str, chart: Path | None, **how: Any) -> int:
    """Say what this fleet costs of Okta's small rate limit over a year, and what does not fit.

    Plays the daemon's passes through by the rules that the daemon itself goes by: windows, blackouts, waves, the spread
    of a backlog, the shares of the limit. Ages come from the state database; what is not known there is drawn.

    Nothing is changed, and nobody is asked but, with --ask-okta, Okta for its limit.
    """
    from rotator.cli import simulate_told as told
    from rotator.cli.heap import uncollected
    from rotator.cli.output import print_json
    from rotator.core.capacity import played
    from rotator.core.capacity_figures import figures_of

    settings = invocation.settings()
    with uncollected():
        basis = _basis(invocation, settings, Wanted(**how))
        figures = figures_of(played(basis.scene))
    if chart is not None:
        _write(chart, told.svg_of(figures))
    if output == "json":
        print_json(told.as_json(figures, basis))
    else:
        told.show(figures, basis)
    return 0


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options say."""

    days: int
    start: datetime | None
    targets: int | None
    policy: str | None
    oldest: timedelta | None
    seed: int
    limit: int
    login_share: int
    ask_okta: bool
    resync: timedelta


def _basis(invocation: Invocation, settings: Settings, wanted: Wanted) -> Basis:
    """Return the scene that the options describe, and what it goes by."""
    from rotator.cli.simulate_told import Basis
    from rotator.core.agenda import Pace
    from rotator.core.capacity_minutes import Room
    from rotator.core.capacity_scene import Scene

    if wanted.policy is not None and wanted.targets is None:
        raise click.UsageError("--policy goes with --targets; else each target has its own.")
    start = wanted.start or datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    real, remembered, listed = _known(settings) if wanted.targets is None else ((), {}, {})
    who = real if wanted.targets is None else _invented(settings, wanted.targets, wanted.policy)
    members = _aged(who, remembered, start=start, oldest=wanted.oldest, seed=wanted.seed)
    limits = dict.fromkeys(settings.orgs, max(1, wanted.limit * wanted.login_share // 100))
    if wanted.ask_okta:
        limits |= _asked(invocation, settings, {target.org for target in who})
    rooms = {org: Room.of(each, settings.orgs[org].rate_share) for org, each in limits.items()}
    pace, span = Pace(resync=wanted.resync), timedelta(days=wanted.days)
    scene = Scene(members, start, span, rooms, settings.limits, pace, listed)
    known = sum(target.name in remembered for target in who)
    return Basis(scene, wanted.seed, limits, asked=wanted.ask_okta, known=known, invented=wanted.targets is not None)


def _known(settings: Settings) -> tuple[Sequence[Target], dict[str, Remembered], dict[str, int]]:
    """Return the targets, what is remembered of them, and how many members of selections each org has."""
    import asyncio
    from collections import Counter

    from rotator.core.selection import targets_of
    from rotator.errors import ConfigError
    from rotator.wiring_state import open_memory

    async def read() -> tuple[Sequence[Target], dict[str, Remembered]]:
        async with open_memory(settings) as state:
            targets = targets_of(settings, await state.roster.members()) if settings.selections else settings.targets
            return targets, {each.name: each for each in await state.memory.recall()}

    targets, remembered = asyncio.run(read()) if settings.state.made else (settings.targets, {})
    if not targets:
        raise ConfigError(["there is no target yet; say how many to invent with --targets"])
    of_selections = [
        target for target in targets if any(target.name.startswith(f"{s.name}/") for s in settings.selections)
    ]
    return targets, remembered, dict(Counter(target.org for target in of_selections))


def _invented(settings: Settings, count: int, policy_name: str | None) -> Sequence[Target]:
    from rotator.core.model import AppId, KvPath, Target

    policy, org, vault = _policy(settings, policy_name), next(iter(settings.orgs)), next(iter(settings.vaults))
    nowhere = KvPath(INVENTED, INVENTED)
    names = (f"{INVENTED}-{n:05}" for n in range(1, count + 1))
    return [Target(name, org, vault, AppId(name), nowhere, nowhere, policy) for name in names]


def _policy(settings: Settings, name: str | None) -> Policy:
    """Return the policy of that name; without one the only one, or the one that most targets have."""
    from collections import Counter

    from rotator.errors import ConfigError
    from rotator.settings import nearest

    if name is not None:
        if name not in settings.policies:
            raise ConfigError([f"there is no policy {name!r}; {nearest(name, settings.policies)}"])
        return settings.policies[name]
    used = Counter(target.policy.name for target in settings.targets) + Counter(
        selection.target.policy.name for selection in settings.selections
    )
    if len(settings.policies) != 1 and not used:
        raise ConfigError([f"there are several policies; name one with --policy: {', '.join(settings.policies)}"])
    return settings.policies[used.most_common(1)[0][0] if used else next(iter(settings.policies))]


def _aged(
    targets: Sequence[Target],
    remembered: dict[str, Remembered],
    *,
    start: datetime,
    oldest: timedelta | None,
    seed: int,
) -> list[Member]:
    """Give each target the age of its secret: what is remembered, else one that is drawn."""
    from random import Random

    from rotator.core.capacity_scene import Member

    draw, members = Random(seed), []  # noqa: S311 -- not for secrets
    for target in targets:
        drawn = start - (oldest or target.policy.rotate_after) * draw.random()
        known = remembered.get(target.name)
        created = known.last.secret_created if known and known.last else None
        members.append(Member(target, created or drawn, min(known.known_since, start) if known else None))
    return members


def _asked(invocation: Invocation, settings: Settings, orgs: set[str]) -> dict[str, int]:
    """Return what each org says of its limit for our login."""
    from rotator.app.limits import limit_of
    from rotator.cli.session import run

    async def ask(worlds: Worlds) -> dict[str, int]:
        ways = worlds.ways()
        return {org: await limit_of(ways.org(org)) for org in sorted(orgs)}

    return run(invocation, replace(settings, selections=()), ask, output="json")


def _write(file: Path, text: str) -> None:
    from rotator.errors import ConfigError

    try:
        file.write_text(text, encoding="utf-8")
    except OSError as failure:
        raise ConfigError([f"{file}: {failure.strerror or failure}; choose another place for --chart"]) from failure
