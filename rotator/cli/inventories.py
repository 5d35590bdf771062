"""An inventory, told: a table for people, JSON and CSV for programs. One row for each secret.

* The JSON is stable: within one `version` keys are added, never renamed or removed.
* No value and no hash of a secret is known here.
* A cell of the CSV that a spreadsheet would take for a formula has an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.cli.report import VERSION, age
from rotator.core.inventory_risk import SLOTS, Risk, judge, worst_first
from rotator.core.last_use import UseOf
from rotator.printable import printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from rotator.core.inventory import Entry
    from rotator.core.last_use import HeldSecret
    from rotator.core.model import Policy

FORMULA = frozenset("=+-@\N{FULLWIDTH EQUALS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}")
HEADINGS = ("RISK", "ORG", "LABEL", "APP", "SLOTS", "SECRET", "STATUS", "AGE", "LAST USE", "MANAGED BY", "ASKED", "WHY")
COLUMNS = (
    "risk",
    "score",
    "org",
    "label",
    "app_id",
    "client_id",
    "app_status",
    "auth_method",
    "slots_taken",
    "secret_id",
    "status",
    "created",
    "age_days",
    "last_used",
    "last_used_of",
    "tried_after_off",
    "managed_by",
    "only_observed",
    "asked_at",
    "cached",
    "reasons",
    "failed",
)


@dataclass(frozen=True, slots=True)
class Inventory:
    """Apps in the order of risk, as they were at that time."""

    entries: tuple[Entry, ...]
    risks: tuple[Risk, ...]
    now: datetime

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[tuple[Entry, Risk]]:
        return iter(zip(self.entries, self.risks, strict=True))


@dataclass(frozen=True, slots=True)
class OrgLine:
    """What was done at one org, for programs."""

    org: str
    with_secrets: int
    others: int
    listed: int  # the secrets of so many apps, in this run
    not_asked: int
    problem: str = ""
    log_problem: str = ""


def inventory_of(entries: Sequence[Entry], usual: Policy, now: datetime) -> Inventory:
    """Return the entries in the order of risk; `usual` is the policy by which those without keeper are judged."""
    risks = {(each.org, each.app.id): judge(each, usual, now) for each in entries}
    ordered = worst_first(entries, lambda each: risks[each.org, each.app.id])
    return Inventory(ordered, tuple(risks[each.org, each.app.id] for each in ordered), now)


# --- For people -------------------------------------------------------------------------------------------


def rows(inventory: Inventory) -> list[tuple[str, ...]]:
    """Return the rows of the table; why stands in the first row of an app alone."""
    found: list[tuple[str, ...]] = []
    for entry, risk in inventory:
        taken = f"{len(entry.holding.secrets)}/{SLOTS}" if entry.holding else "?"
        label = entry.app.label if entry.app.status == "ACTIVE" else f"{entry.app.label} ({entry.app.status.lower()})"
        keeper = entry.keeper.name if entry.keeper else "-"
        first = (f"{risk.level} {risk.score}", entry.org, label, str(entry.app.id), taken)
        last, why = (keeper, _asked(entry, inventory.now)), _why(entry, risk)
        for number, secret in enumerate(_secrets(entry)):
            found.append((*first, *_cells(secret, inventory.now), *last, "" if number else why))
    return found


def _secrets(entry: Entry) -> Sequence[HeldSecret | None]:
    return entry.holding.secrets or (None,) if entry.holding else (None,)


def _cells(secret: HeldSecret | None, now: datetime) -> tuple[str, str, str, str]:
    if secret is None:
        return ("-", "-", "-", "-")
    return (secret.id, secret.status.value.lower(), age(now - secret.created), _last_use(secret, now))


def _last_use(secret: HeldSecret, now: datetime) -> str:
    used = secret.used
    if used.of is UseOf.UNKNOWN:
        return "unknown"
    if used.at is None:
        return f"never in {(now - used.since).days} days" if used.since else "never"
    ago = f"{age(now - used.at)} ago"
    return ago if used.of is UseOf.SECRET else f"{ago}, by the client"


def _asked(entry: Entry, now: datetime) -> str:
    if entry.holding is None:
        return "failed"
    return f"{age(now - entry.holding.asked_at)} ago" if entry.cached else "now"


def _why(entry: Entry, risk: Risk) -> str:
    reasons = [each.detail for each in risk.findings]
    return "; ".join([*([entry.failed] if entry.failed else []), *reasons]) or "-"


# --- For programs -----------------------------------------------------------------------------------------


def as_json(inventory: Inventory, orgs: Sequence[OrgLine], *, code: int) -> dict[str, Any]:
    """Return the document."""
    return {
        "version": VERSION,
        "command": "discover",
        "exit_code": code,
        "at": inventory.now.isoformat(),
        "orgs": [_org(each) for each in orgs],
        "apps": [_app(entry, risk, inventory.now) for entry, risk in inventory],
    }


def _org(line: OrgLine) -> dict[str, Any]:
    return {
        "org": line.org,
        "apps_with_secrets": line.with_secrets,
        "other_apps": line.others,
        "listings": line.listed,
        "not_asked": line.not_asked,
        "problem": line.problem or None,
        "log_problem": line.log_problem or None,
    }


def _app(entry: Entry, risk: Risk, now: datetime) -> dict[str, Any]:
    keeper, holding = entry.keeper, entry.holding
    return {
        "org": entry.org,
        "app_id": entry.app.id,
        "client_id": entry.app.client_id,
        "label": entry.app.label,
        "status": entry.app.status,
        "auth_method": entry.app.auth_method.value,
        "application_type": entry.app.application_type,
        "managed_by": keeper.name if keeper else None,
        "policy": keeper.policy.name if keeper else None,
        "only_observed": (keeper.only_observed or None) if keeper else None,
        "slots_taken": len(holding.secrets) if holding else None,
        "secrets": [_secret(each, now) for each in holding.secrets] if holding else None,
        "asked_at": holding.asked_at.isoformat() if holding else None,
        "cached": entry.cached,
        "failed": entry.failed or None,
        "risk": {
            "level": risk.level,
            "score": risk.score,
            "reasons": [
                {"hazard": each.hazard.value, "points": each.points, "detail": each.detail} for each in risk.findings
            ],
        },
    }


def _secret(secret: HeldSecret, now: datetime) -> dict[str, Any]:
    return {
        "id": secret.id,
        "status": secret.status.value,
        "created": secret.created.isoformat(),
        "changed": secret.changed.isoformat(),
        "age_days": (now - secret.created).days,
        "last_used": _iso(secret.used.at),
        "last_used_of": secret.used.of.value,
        "not_used_since": _iso(secret.used.since if secret.used.never else None),
        "tried_after_off": _iso(secret.tried_at),
    }


def as_csv(inventory: Inventory) -> str:
    """Return a table that spreadsheets open: what is the app's stands in each of its rows."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for entry, risk in inventory:
        app, told = _app(entry, risk, inventory.now), "; ".join(each.detail for each in risk.findings)
        shared = {
            **app,
            "risk": risk.level,
            "score": risk.score,
            "app_status": app["status"],
            "reasons": told,
        }
        for secret in app["secrets"] or [{}]:
            row = {**shared, "status": None, **secret, "secret_id": secret.get("id")}
            writer.writerow([cell(row.get(column)) for column in COLUMNS])
    return text.getvalue()


def cell(value: object) -> str:
    """Return a value as a spreadsheet may show it, never as something that it would carry out."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = printable(str(value))
    return f"'{text}" if text.lstrip()[:1] in FORMULA else text


def _iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
