"""The labelled cases: what is wrong is named, all of it and nothing else, within the time and the calls promised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.doctor.ward import Ward, cases, each_way

if TYPE_CHECKING:
    from tests.entry.site import Site

SECONDS, CALLS, REFUSED = 3, 4, 1


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in each_way("live")])
def test_a_case_is_diagnosed(case: dict[str, Any], site: Site) -> None:
    visit = Ward(site, case).visit("--output", "json")

    assert visit.secrets() == []
    assert visit.causes == set(case["causes"]), visit.ran.out
    possible = set(visit.client["possible"])
    assert possible >= set(case.get("among", ())), visit.ran.out
    assert bool(possible) is bool(case.get("among")), visit.ran.out
    doubted = bool(case.get("among")) or case.get("doubt", False)
    assert bool(visit.client["doubts"]) is doubted, visit.ran.out
    assert visit.ran.code == case.get("code", int(bool(case["causes"]) or doubted))
    assert visit.calls() <= CALLS
    assert visit.refused() <= REFUSED
    assert visit.seconds < SECONDS
    if command := case.get("command"):
        assert any(visit.ward.real(command) in each for each in visit.commands), visit.commands


def test_the_set_is_as_large_as_promised() -> None:
    live = cases("live")

    assert len(live) >= 40
    assert sum(len(case["causes"]) >= 2 for case in live) >= 10
    assert sum(bool(case.get("among") or case.get("doubt")) for case in live) >= 10
    assert len({case["case"] for case in live}) == len(live)
    assert all(case["contract"] for case in live)
