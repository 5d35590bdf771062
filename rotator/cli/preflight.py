"""`rotator doctor --preflight`: whether everything is there that a rotation needs; one line for each check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rotator.cli.output import print_json, print_lines, print_table
from rotator.cli.session import chosen, run

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rotator.cli.options import Invocation
    from rotator.core.preflight import Finding
    from rotator.settings import Settings
    from rotator.wiring import Worlds

VERSION = 1
HEADINGS = ("VERDICT", "OF", "CHECK", "FOUND")


def look(invocation: Invocation, settings: Settings, names: Sequence[str], *, output: str) -> int:
    """Look at the targets of these names, all of them if none is named; print what was found, return the exit code."""
    from rotator.app import preflight as app

    async def work(worlds: Worlds) -> tuple[Finding, ...]:
        found = await chosen(settings, names, worlds)
        for _, error in found.lost:
            raise error
        return await app.preflight(found.targets, worlds.ways())

    return tell(run(invocation, settings, work, output=output), output=output)


def tell(findings: Sequence[Finding], *, output: str) -> int:
    """Print what was found, with what to do below, and return the exit code."""
    from rotator.core.preflight import exit_code

    code = exit_code(findings)
    if output == "json":
        print_json({"version": VERSION, "command": "preflight", "exit_code": code, "findings": _json(findings)})
        return code
    print_table(HEADINGS, [_row(each) for each in findings])
    print_lines([f"{_about(each)}, {each.check.value}: {each.said.remedy}" for each in findings if each.said.remedy])
    return code


def _row(finding: Finding) -> tuple[str, ...]:
    return finding.said.verdict.value, _about(finding), finding.check.value, finding.said.detail


def _about(finding: Finding) -> str:
    return f"{finding.kind.value} {finding.about}"


def _json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    return [
        {
            "check": each.check.value,
            "kind": each.kind.value,
            "about": each.about,
            "verdict": each.said.verdict.value,
            "detail": each.said.detail,
            "remedy": each.said.remedy,
            "outage": each.said.outage,
        }
        for each in findings
    ]
