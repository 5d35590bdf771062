"""A diagnosis as it is printed: a block for people, JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rotator.cli.output import print_json, print_lines
from rotator.cli.report import VERSION
from rotator.core.diagnosis.case import Case, shown_id
from rotator.core.diagnosis.table import Diagnosis, Result, diagnose, possible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.core.diagnosis.causes import Doubt, Finding
    from rotator.core.diagnosis.evidence import Evidence

EXIT_CODES = {Result.NOTHING_WRONG: 0, Result.FOUND: 1, Result.CANNOT_TELL: 1, Result.UNREACHABLE: 5}


def tell(evidence: Evidence, *, output: str) -> int:
    """Print what is wrong, and return the exit code."""
    diagnosis = diagnose(evidence)
    code = EXIT_CODES[diagnosis.result]
    if output == "json":
        document = {"version": VERSION, "command": "doctor", "exit_code": code}
        print_json(document | {"client": as_json(evidence, diagnosis)})
    else:
        print_lines(list(as_lines(evidence, diagnosis)))
    return code


def as_lines(evidence: Evidence, diagnosis: Diagnosis) -> Iterator[str]:
    """Tell it to a person."""
    yield f"{evidence.subject.name}: {_summary(diagnosis)}"
    if evidence.asked is not None:
        asked = evidence.asked
        shown = shown_id(asked.client_id, Case(evidence))
        yield f"  asked        {asked.grant} at {asked.url}, as {shown}, by {asked.method.value}"
    if evidence.captured is not None and evidence.captured.basic is not None:
        yield f"  header       {evidence.captured.basic.words}"
    request = evidence.answer.request_id if evidence.answer else None
    yield f"  answer       {diagnosis.said}{f' (request {request})' if request else ''}"
    for finding in diagnosis.findings:
        yield from _finding(finding)
    for doubt in diagnosis.doubts:
        yield from _doubt(doubt)


def as_json(evidence: Evidence, diagnosis: Diagnosis) -> dict[str, Any]:
    """Tell it to a program."""
    asked, answer, app = evidence.asked, evidence.answer, evidence.app
    return {
        "target": evidence.subject.target,
        "org_url": evidence.subject.org_url,
        "app_id": app.id if app else None,
        "client_id": shown_id(asked.client_id, Case(evidence)) if asked else None,
        "issuer": asked.issuer if asked else None,
        "auth_method": asked.method.value if asked else None,
        "grant_type": asked.grant if asked else None,
        "result": diagnosis.result.value,
        "answer": diagnosis.said,
        "header": evidence.captured.basic.words if evidence.captured and evidence.captured.basic else None,
        "status": answer.status if answer else None,
        "request_id": answer.request_id if answer else None,
        "causes": [
            {"cause": each.cause.value, "evidence": each.evidence, "remedy": each.remedy, "command": each.command}
            for each in diagnosis.findings
        ],
        "possible": [cause.value for cause in possible(diagnosis)],
        "doubts": [
            {"possible": [cause.value for cause in each.possible], "why": each.why, "settle": each.settle}
            for each in diagnosis.doubts
        ],
    }


def _summary(diagnosis: Diagnosis) -> str:
    match len(diagnosis.findings):
        case 0:
            return diagnosis.result.value
        case 1:
            return diagnosis.findings[0].cause.value
    return f"{len(diagnosis.findings)} causes"


def _finding(finding: Finding) -> Iterator[str]:
    yield f"  cause        {finding.cause.value}: {finding.evidence}"
    yield f"  remedy       {finding.remedy}"
    if finding.command:
        yield f"  run          {finding.command}"


def _doubt(doubt: Doubt) -> Iterator[str]:
    words = ", or ".join(cause.value for cause in doubt.possible) or "what it is"
    yield f"  cannot tell  {words}"
    yield f"  because      {doubt.why}"
    yield f"  settle       {doubt.settle}"
