"""The table of checks: every one looks at the evidence and says a cause, a doubt, or nothing.

* All causes are named that the evidence shows, in the order of the table: where the client asks, who it is, with which
  secret, how it shows that, what it may.
* Of the secret's checks the first that has something to say is the one: a value is one thing.
* A doubt is what cannot be told apart. It stands beside causes that are certain, unless they are what it is about.
* Nothing is wrong only if Okta has believed the client, and nothing else was found.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rotator.core.diagnosis import clients, requests, servers
from rotator.core.diagnosis.case import Case
from rotator.core.diagnosis.causes import Cause, Doubt, Finding
from rotator.core.diagnosis.secrets import SECRET, other_path
from rotator.core.diagnosis.signs import Sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.diagnosis.evidence import Evidence

    Check = Callable[[Case], Finding | Doubt | None]


class Result(enum.Enum):
    """How it stands with the client. The value is the word that people and programs see."""

    NOTHING_WRONG = "nothing wrong"
    FOUND = "cause found"
    CANNOT_TELL = "cannot tell"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What is certain, what is not, and the answer that it is about, in one line."""

    result: Result
    findings: tuple[Finding, ...]
    doubts: tuple[Doubt, ...]
    said: str


def secret(case: Case) -> Finding | Doubt | None:
    """Return what the first of the secret's checks says that has something to say."""
    return next((said for check in SECRET if (said := check(case)) is not None), None)


CHECKS: tuple[Check, ...] = (
    servers.not_okta,
    servers.other_server,
    servers.no_licence,
    servers.trailing_slash,
    servers.custom_domain,
    servers.different_servers,
    servers.org_server,
    clients.wrong_client_id,
    clients.other_org,
    clients.client_unknown,
    clients.app_inactive,
    clients.public_client,
    clients.key_client,
    clients.method_unknown,
    requests.too_short_to_sign,
    secret,
    other_path,
    requests.wrong_method,
    requests.malformed_basic,
    requests.credentials_in_query,
    requests.two_methods,
    requests.what_okta_said,
    requests.grant,
    requests.dpop,
    requests.what_the_log_has,
    requests.introspection_says_nothing,
    requests.not_understood,
)


def diagnose(evidence: Evidence) -> Diagnosis:
    """Say what is wrong."""
    case = Case(evidence)
    said = [spoken for check in CHECKS if (spoken := check(case)) is not None]
    by_cause: dict[Cause, Finding] = {}
    for each in said:
        if isinstance(each, Finding):
            by_cause.setdefault(each.cause, each)
    findings = tuple(by_cause.values())
    doubts = tuple(each for each in said if isinstance(each, Doubt) and by_cause.keys().isdisjoint(each.possible))
    if not said and not case.believed and case.sign is not Sign.SILENT:
        doubts = (Doubt((), case.said, "Look at the app in Okta's admin console, and at its System Log."),)
    return Diagnosis(_result(case, findings, doubts), findings, doubts, case.said)


def _result(case: Case, findings: tuple[Finding, ...], doubts: tuple[Doubt, ...]) -> Result:
    if findings:
        return Result.FOUND
    if case.sign is Sign.SILENT:
        return Result.UNREACHABLE
    return Result.NOTHING_WRONG if case.believed and not doubts else Result.CANNOT_TELL


def possible(diagnosis: Diagnosis) -> tuple[Cause, ...]:
    """Return what may be, most likely first."""
    return tuple(dict.fromkeys(cause for doubt in diagnosis.doubts for cause in doubt.possible))
