"""`rotator history` and `evidence`: what was done to a target, told for people, and for an auditor.

* Both are read from the state database alone; Okta and Vault are not asked, and nothing is changed.
* A target that the configuration has no more is found by the name, or the app's id, under which it was known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option, since_option
from rotator.cli.output import print_json, print_lines
from rotator.cli.report import VERSION, age
from rotator.cli.steps import words_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
    from datetime import datetime, timedelta
    from typing import TypeVar

    from rotator.core.chain import Broken, Whole
    from rotator.core.history import Row
    from rotator.core.story import Act, Story
    from rotator.ports import Chronicle
    from rotator.settings import Settings

    T = TypeVar("T")


@click.command()
@click.argument("name", metavar="TARGET")
@click.option("--last", type=click.IntRange(1), metavar="N", help="Only the last so many rotations.")
@config_option
@output_option
@click.pass_obj
def history(invocation: Invocation, /, name: str, *, last: int | None, output: str) -> int:
    """Tell the rotations of a target: begun by whom and why, each step, how long until the old secret was gone.

    What nobody knew the end of at once is told with what came of it. Times are in UTC.
    """
    from rotator.app import audit

    settings = invocation.settings()
    told = read(settings, lambda chronicle: audit.history(chronicle, name))
    if not told:
        _refuse_unknown(settings, name)
    kept = _last_rotations(told, last)
    if output == "json":
        rotations = [story_as_json(story) for story in kept]
        print_json({"version": VERSION, "command": "history", "exit_code": 0, "target": name, "rotations": rotations})
        return 0
    for story in kept:
        print_lines(list(_block(name, story)))
    if not kept:
        print_lines([f"{name}: nothing was written down yet"])
    return 0


@click.command()
@click.argument("name", metavar="TARGET")
@since_option
@config_option
@click.pass_obj
def evidence(invocation: Invocation, /, name: str, *, since: datetime | None) -> int:
    """Write the record of a target that an auditor wants, as JSON: each rotation, and the state of the audit's chain.

    With --since: the rotations of which something was done from then on, whole. Exits with 1 if the chain is broken.
    """
    from datetime import UTC, datetime

    from rotator import __version__
    from rotator.app import audit
    from rotator.core.chain import Broken

    async def gather(chronicle: Chronicle) -> tuple[Sequence[Story], Whole | Broken]:
        return await audit.history(chronicle, name), await audit.check(chronicle)

    settings = invocation.settings()
    told, chain = read(settings, gather)
    if not told:
        _refuse_unknown(settings, name)
    code = int(isinstance(chain, Broken))
    print_json(
        {
            "version": VERSION,
            "command": "evidence",
            "exit_code": code,
            "target": name,
            "since": since.isoformat() if since else None,
            "written_at": datetime.now(UTC).isoformat(),
            "written_by": f"rotator {__version__}",
            "chain": chain_as_json(chain),
            "rotations": [story_as_json(story) for story in told if since is None or story.last_at >= since],
        }
    )
    return code


def read(settings: Settings, work: Callable[[Chronicle], Awaitable[T]]) -> T:
    """Do `work` with the audit of the state database; `MissingError` if there is none."""
    import asyncio

    from rotator.cli.session import open_state_for_a_command
    from rotator.errors import MissingError

    if not settings.state.made:
        hint = "`rotator run` makes one (`state.url`); without one the log is all that was written down."
        raise MissingError("there is no state database", hint=hint)

    async def within() -> T:
        async with open_state_for_a_command(settings) as state:
            return await work(state.chronicle)

    return asyncio.run(within())


def chain_as_json(chain: Whole | Broken) -> dict[str, Any]:
    """Return what came of checking the chain."""
    from rotator.core.chain import Broken

    if isinstance(chain, Broken):
        return {"whole": False, "broken_at": chain.number, "why": chain.why}
    return {
        "whole": True,
        "rows": chain.rows,
        "unchained": chain.unchained,
        "first": chain.first,
        "last": chain.last,
        "anchor": chain.anchor or None,
        "head": chain.head or None,
    }


def story_as_json(story: Story) -> dict[str, Any]:
    """Return a rotation, or what was done outside of one, with all that is written of it."""
    rows = [act.last for act in story.acts]
    return {
        "rotation_id": story.rotation,
        "state": story.state,
        "reason": story.reason,
        "actor": story.actor,
        "begun_at": story.begun_at.isoformat(),
        "promoted_at": _iso(story.promoted_at),
        "verified_at": _iso(story.verified.at if story.verified else None),
        "proof": story.verified.proof if story.verified else None,
        "old_off_at": _iso(story.off_at),
        "old_gone_at": _iso(story.gone_at),
        "secret_ids": _once(row.secret_id for row in rows),
        "vault_versions": [{"path": row.path, "version": row.version} for row in rows if row.path],
        "request_ids": _once(each for row in rows for each in (row.request_id or "").split(", ")),
        "steps": [_act_as_json(act) for act in story.acts],
    }


def _act_as_json(act: Act) -> dict[str, Any]:
    row = act.last
    return {
        "step": act.step,
        "how": act.how,
        "detail": row.detail,
        "actor": row.actor,
        "begun_at": act.begins.at.isoformat(),
        "ended_at": _iso(act.ends.at if act.ends else None),
        "secret_id": row.secret_id,
        "path": row.path,
        "vault_version": row.version,
        "proof": row.proof,
        "request_id": row.request_id,
        "settled_by": _settled_as_json(act.settled) if act.settled else None,
        "rows": [{"number": each.number, "hash": each.hash} for each in _rows_of(act)],
    }


def _settled_as_json(act: Act) -> dict[str, Any]:
    return {"step": act.step, "how": act.how, "at": act.begins.at.isoformat(), "row": act.begins.number}


def _rows_of(act: Act) -> tuple[Row, ...]:
    return (act.begins, act.ends) if act.ends and act.ends is not act.begins else (act.begins,)


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def _once(values: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(filter(None, values)))


def _last_rotations(told: Sequence[Story], last: int | None) -> Sequence[Story]:
    """Return the last so many rotations, and what was done outside of one since the first of them."""
    rotations = [story for story in told if story.rotation is not None]
    if last is None or len(rotations) <= last:
        return told
    return told[told.index(rotations[-last]) :]


def _refuse_unknown(settings: Settings, name: str) -> None:
    """Tell a name that was mistyped from a target of which nothing was written down."""
    from rotator.settings import find_targets

    if not settings.selections:
        find_targets(settings, [name])


# --- for people -------------------------------------------------------------------------------------------------


def _block(name: str, story: Story) -> Iterator[str]:
    rotation = f" rotation {story.rotation}" if story.rotation else ""
    yield f"{name}:{rotation} {story.state}".replace(": outside", ", outside")
    why = f", {story.reason}" if story.reason else ""
    yield f"  begun     {_second(story.begun_at)} UTC by {story.actor}{why}"
    if story.promoted_at:
        yield f"  promoted  {_after(story, story.promoted_at)}"
    if story.verified:
        yield f"  verified  {_after(story, story.verified.at)}: {story.verified.proof}"
    if story.off_at:
        yield f"  old off   {_after(story, story.off_at)}"
    if story.gone_at:
        yield f"  old gone  {_after(story, story.gone_at)}"
    for act in story.acts:
        yield f"    {_second(act.last.at)}  {_line(act)}"


def _line(act: Act) -> str:
    words, detail = words_for(act.step), act.last.detail
    if act.how == "done":
        return f"{words.done}: {detail}"
    return f"{words.doing}: {act.how}{f': {detail}' if detail else ''}{_settled(act)}"


def _settled(act: Act) -> str:
    if act.how == "not done":
        return ""
    if act.settled is None:
        return "; not looked at since"
    again = "done again" if act.settled.step == act.step else "went on"
    return f"; the next look {again}: {words_for(act.settled.step).done}, {_second(act.settled.begins.at)}"


def _second(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}"


def _after(story: Story, at: datetime) -> str:
    return f"after {_span(at - story.begun_at)}"


def _span(span: timedelta) -> str:
    seconds = max(0.0, span.total_seconds())
    return f"{seconds:.1f} s" if seconds < 120 else age(span)
