"""`rotator audit export` and `verify`: the audit as a file, and whether its chain is whole.

* The chain is checked in the state database, in a file that was exported, or in the JSON log.
* Rows of a log are put in order first, and one that is told twice counts once: a log may be rotated, joined with that
  of another member, or written by several tasks. Rows of an export stand in order already.
* Other events of a log, and lines that are no JSON, are passed over. What should be a row and is none is a failure.
"""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import rich_click as click

from rotator.cli.history import chain_as_json, read
from rotator.cli.options import Invocation, config_option, output_option, since_option
from rotator.cli.output import print_json, print_lines
from rotator.cli.report import VERSION
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from rotator.core.chain import Broken, Whole
    from rotator.core.history import Row
    from rotator.ports import Chronicle

FILE = click.File("r", encoding="utf-8", errors="backslashreplace")


@click.group()
def audit() -> None:
    """Write the audit to a file, or check that nothing in it was changed."""


@audit.command()
@since_option
@config_option
@click.pass_obj
def export(invocation: Invocation, /, *, since: datetime | None) -> int:
    """Print the audit, one row a line, as JSON; with the hashes that chain it."""
    from rotator.app.audit import pages
    from rotator.core.chain import as_json

    async def write(chronicle: Chronicle) -> None:
        async for page in pages(chronicle, since=since):
            for row in page:
                print(json.dumps(as_json(row)))

    read(invocation.settings(), write)
    return 0


@audit.command()
@click.argument("file", metavar="[FILE]", required=False, type=FILE)
@click.option("--against", metavar="FILE", type=FILE, help="A log or an export that the database must agree with.")
@config_option
@output_option
@click.pass_obj
def verify(invocation: Invocation, /, file: IO[str] | None, *, against: IO[str] | None, output: str) -> int:
    """Check the audit's chain in the state database; or in FILE, an export or a JSON log (`-`: from stdin).

    With --against the database is compared with such a file as well: that finds newest rows that were cut off, and a
    chain that was made anew. Exits with 1 if the chain is broken, naming the first row that shows it.
    """
    from rotator.app.audit import check
    from rotator.core import chain

    if file is not None and against is not None:
        raise click.UsageError("Give a file to check, or --against to check the database with it, not both.")
    if file is not None:
        return _tell(chain.verify(_rows_in(file)), output=output)
    told = {row.number: row.hash for row in _rows_in(against)} if against else None
    return _tell(read(invocation.settings(), lambda chronicle: check(chronicle, told)), output=output)


def _rows_in(file: IO[str]) -> list[Row]:
    """Return the rows that a file tells; a file without any is a mistake."""
    found = list(_read(file))
    if not found:
        hint = "It must be a file of `rotator audit export`, or a log in JSON of level `info`."
        raise RefusedError(f"{file.name}: there is no row of the audit in it", hint=hint)
    rows = [row for row, _ in found]
    logged = any(logged for _, logged in found)
    return sorted(set(rows), key=lambda row: row.number) if logged else rows


def _read(file: IO[str]) -> Iterator[tuple[Row, bool]]:
    """Yield each row, and whether it is an event of a log."""
    from rotator.core.chain import from_json

    for number, line in enumerate(file, 1):
        if not line.startswith("{"):
            continue
        try:
            told: dict[str, Any] = json.loads(line)
            if told.get("event", "audit") == "audit":
                yield from_json(told), "event" in told
        except (ValueError, RecursionError) as problem:
            hint = "What was cut off by a crash may be taken out; the chain shows whether a row is missed."
            raise RefusedError(f"{file.name}:{number}: is no row of the audit: {problem}", hint=hint) from None


def _tell(found: Whole | Broken, *, output: str) -> int:
    from rotator.core.chain import Broken

    code = int(isinstance(found, Broken))
    if output == "json":
        print_json({"version": VERSION, "command": "audit verify", "exit_code": code, **chain_as_json(found)})
    elif isinstance(found, Broken):
        print_lines([f"broken at row {found.number}: {found.why}"])
    else:
        print_lines(_lines(found))
    return code


def _lines(whole: Whole) -> list[str]:
    if not whole.rows:
        without = f": {whole.unchained} without a hash, from before there was a chain" if whole.unchained else ""
        return [f"there is no row of a chain yet{without}"]
    lines = [f"whole: {whole.rows} rows, {whole.first} to {whole.last}", f"the newest has the hash {whole.head}"]
    if whole.anchor:
        lines.append(
            f"the oldest follows {whole.anchor}, which is not here: older rows are kept no longer, or elsewhere"
        )
    if whole.unchained:
        lines.append(f"{whole.unchained} before it have no hash: they are from before there was a chain")
    return lines
