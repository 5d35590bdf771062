"""Whatever stands in the report of a certification: it is relied upon, or there is a warning, and the program goes on."""

from __future__ import annotations

import json
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING

from rotator.core.certification.facts import ROWS
from rotator.core.certification.report import VERSION
from tests.hostile.mutation import TIMES, mutated, written
from tests.settings.files import loaded

if TYPE_CHECKING:
    from pathlib import Path

CASES = 120 * TIMES
CERTIFYING = """\
okta:
  acme:
    org_url: https://acme.okta.com
    auth: {method: ssws, token_file: token}
    certified: report.json
vaults:
  main:
    address: https://vault.example.com:8200
    auth: {method: approle, role_id: rotator, secret_id_file: secret-id}
"""
REPORT = {
    "version": VERSION,
    "command": "certify",
    "host": "acme.okta.com",
    "at": "2026-11-27T10:00:00+00:00",
    "facts": [{"fact": fact.value, "verdict": "as assumed", "seen": "x", "seconds": [0.0, 2.5]} for fact in ROWS],
}


def test_any_report_is_relied_upon_or_warned_of(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    seen: set[bool] = set()
    for seed in range(CASES):
        rng = Random(f"certified {seed}")
        file.write_bytes(written(rng, mutated(rng, REPORT)))

        settings = loaded(tmp_path, CERTIFYING)

        certified = settings.orgs["acme"].certified
        assert (certified is None) == any("is not relied upon" in each for each in settings.warnings), seed
        if certified is not None:
            told = (
                certified.hash_formula_holds,
                certified.refused_hash_shown,
                certified.log_lag,
                certified.propagation,
            )
            assert {type(each) for each in told} <= {bool, timedelta, type(None)}, seed
        seen.add(certified is None)
    assert seen == {True, False}


def test_a_time_beyond_all_times_is_no_report(tmp_path: Path) -> None:
    facts = [{"fact": next(iter(ROWS)).value, "verdict": "as assumed", "seen": "x", "seconds": [0.0, 1e308]}]
    for text in (json.dumps(REPORT | {"facts": facts}), "[" * 100_000):
        (tmp_path / "report.json").write_text(text)

        assert loaded(tmp_path, CERTIFYING).orgs["acme"].certified is None
