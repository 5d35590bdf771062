"""The judge of the soak: what it calls an outage, and what a person's revocation explains."""

from __future__ import annotations

from typing import Any

import pytest

from tests.soak.__main__ import Seen, event_of, judge


def said(what: str, at: float, *, app: str = "app-000", which: str = "current", **more: object) -> dict[str, Any]:
    return {"at": at, "app": app, "what": what, "which": which, **more}


def test_a_refusal_that_no_revocation_explains_is_an_outage() -> None:
    seen = Seen(1, 1, 1)
    judge([said("refused", 10.0), said("taken", 12.0)], [(11.0, "app-000"), (9.0, "another")], seen)

    assert [outage["at"] for outage in seen.outages] == [10.0]


def test_the_time_to_a_working_secret_counts_from_the_revocation() -> None:
    seen = Seen(1, 1, 1)
    judge([said("refused", 10.0), said("taken", 12.0)], [(9.0, "app-000")], seen)

    assert (seen.outages, seen.recovered_after) == ([], [3.0])


def test_who_is_never_taken_again_is_not_settled() -> None:
    seen = Seen(1, 1, 1)
    judge([said("refused", 10.0)], [(9.0, "app-000")], seen)

    assert seen.broken == ["not settled: app-000 was never taken again"]


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ('{"event": "rotated", "detail": "{odd}"}', "rotated"),
        ('{"target": "a", "eve{"event": "daemon_started"}', "daemon_started"),
        ('{"target": "a", "eve', "cut off"),
        ("ValueError: no", "traceback"),
    ],
)
def test_a_line_that_a_kill_cut_off_hides_no_other(line: str, event: str) -> None:
    assert event_of(line) == event


def test_a_slope_is_told_only_of_who_has_lived_long_enough() -> None:
    """Members that were killed every other minute had a slope of nothing, whatever they leaked."""
    seen = Seen(60, 1, 1, memory={"0.1": [(float(at), 100.0) for at in range(120)]})
    assert seen.slope is None

    seen.memory["0.2"] = [(float(at), 100 + at / 3600) for at in range(1800)]
    assert seen.slope == pytest.approx(1)
