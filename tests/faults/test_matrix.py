"""The real program under faults: each effect of a rotation's life, under each thing that can go wrong on its way.

A trial is a world of its own: the real command, forked, with the Okta SDK, hvac and its token requests, talks to the
sandbox through a proxy that does one thing wrong at one call, once or from then on. Then all is well again, the same
command is run until it is done, and an observer that saw the state after every call says what was broken.

Each test prints its count (`-rP` shows it). `ROTATOR_TEST_MATRIX=all` runs the whole product, and
`ROTATOR_TEST_MATRIX="create / reset after"` what begins so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from joserfc.jwk import RSAKey

from tests.contract.okta_keys import rsa_pem
from tests.contract.test_vault_connection import certificate
from tests.faults.matrix import Case, every, selected
from tests.faults.stand import Certificates, Scene, Trial
from tests.faults.verdict import broken

if TYPE_CHECKING:
    from pathlib import Path

    from rotator.sandbox.journal import Call
    from tests.entry.zygote import Zygote

AT_ONCE = 8
RUNS = 6  # of the same command, until it comes to rest
WANTED = os.environ.get("ROTATOR_TEST_MATRIX", "")

pytestmark = [pytest.mark.timeout(3600 if WANTED else 300), pytest.mark.usefixtures("clean")]


@pytest.fixture(scope="module")
def trust(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    good, misnamed = certificate(ours, "127.0.0.1"), certificate(ours, "other.example.com")
    (ours / "ca.pem").write_text(good.cert.read_text() + misnamed.cert.read_text())
    return Certificates(
        ours=good,
        unknown=certificate(theirs, "127.0.0.1"),
        misnamed=misnamed,
        ca=ours / "ca.pem",
        key=RSAKey.import_key(rsa_pem()),
    )


@dataclass
class Undisturbed:
    """What each scene's command does when nothing befalls it: found out once."""

    folder: Path
    trust: Certificates
    zygote: Zygote
    found: dict[str, tuple[list[Call], int]] = field(default_factory=dict)

    def of(self, scene: Scene) -> tuple[list[Call], int]:
        """Return its calls, and its peak of memory."""
        if scene.name not in self.found:
            with Trial(scene, self.folder / scene.name, self.trust, self.zygote) as trial:
                ran = trial.run()
                assert broken(trial, peak=ran.peak) == []
                self.found[scene.name] = [*trial.proxy.calls], ran.peak
        return self.found[scene.name]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, trust: Certificates, zygote: Zygote) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), trust, zygote)


def tried(case: Case, folder: Path, undisturbed: Undisturbed) -> list[str]:
    """Make one trial; return what was broken."""
    calls, peak = undisturbed.of(case.effect.scene)
    with Trial(case.effect.scene, folder, undisturbed.trust, undisturbed.zygote) as trial:
        rule = case.arm(trial, calls)
        trial.run(*trial.scene.hastily)
        found = [] if rule.struck else ["the fault never struck"]
        trial.proxy.clear()
        case.fault.repair(trial)
        while len(trial.runs) < RUNS:
            ran = trial.run()
            arrived = trial.proxy.let_go()  # what was kept back, once that run has looked
            if ran.idle and not arrived:
                break
        found += broken(trial, peak=peak)
    return [f"{case.name}: {what}" for what in found]


@pytest.mark.parametrize("service", ["okta", "vault"])
def test_whatever_goes_wrong_the_next_runs_settle_the_target(
    service: str, tmp_path: Path, undisturbed: Undisturbed
) -> None:
    cases = [case for case in (every() if WANTED else selected()) if case.effect.service == service]
    if WANTED not in {"", "all"}:
        cases = [case for case in cases if case.name.startswith(WANTED)]
    for case in cases:
        undisturbed.of(case.effect.scene)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        ended = pool.map(lambda it: tried(it[1], tmp_path / str(it[0]), undisturbed), enumerate(cases))
        violations = [violation for found in ended for violation in found]

    print(f"{service}: {len(cases)} faulted rotations, {len(violations)} violations")
    assert cases or WANTED
    if violations:
        pytest.fail("\n".join(violations), pytrace=False)
