"""The real program under faults: each effect of a rotation's life, under each thing that can go wrong on its way.

A trial is a world of its own: the real command, forked, with the Okta SDK, hvac and its token requests, talks to the
sandbox through a proxy that does one thing wrong at one call, once or from then on. Then all is well again, the same
command is run until it is done, and an observer that saw the state after every call says what was broken.

Each test prints its count (`-rP` shows it). `ROTATOR_TEST_MATRIX=all` runs the whole product, and
`ROTATOR_TEST_MATRIX="create / reset after"` what begins so.
"""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import pytest
from joserfc.jwk import RSAKey

from tests.contract.okta_keys import rsa_pem
from tests.contract.test_vault_connection import certificate
from tests.entry.daemon import Daemon
from tests.faults.matrix import EFFECTS, FAULTS, Case, Effect, Fault, every, selected
from tests.faults.stand import PATH, ROTATE, Certificates, Ran, Scene, Trial
from tests.faults.verdict import broken

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.sandbox.journal import Call
    from tests.entry.zygote import Zygote

AT_ONCE = 8
TRIES = 3  # of the faulted run: on a busy machine it may end before the call that is meant
RUNS = 8  # of the same command, until it comes to rest
OUTAGE = 2.0  # seconds
SETTLING = 60.0  # seconds
ONE_BY_ONE = threading.Lock()  # the state is released in this process, by what is meant to have one to itself
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
            with Trial(scene, self.folder / scene.name, self.trust, self.zygote, faulted=False) as trial:
                ran = trial.run()
                assert broken(trial, peak=ran.peak) == []
                self.found[scene.name] = [*trial.proxy.calls], ran.peak
        return self.found[scene.name]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, trust: Certificates, zygote: Zygote) -> Undisturbed:
    return Undisturbed(tmp_path_factory.mktemp("undisturbed"), trust, zygote)


class Tried(NamedTuple):
    """What was broken in a trial, the longest run, and the most memory beyond an undisturbed one."""

    violations: list[str]
    seconds: float
    kilobytes: int


def tried(case: Case, folder: Path, undisturbed: Undisturbed) -> Tried:
    """Make one trial."""
    calls, peak = undisturbed.of(case.effect.scene)
    with Trial(case.effect.scene, folder, undisturbed.trust, undisturbed.zygote) as trial:
        rule = case.arm(trial, calls)
        for _ in range(TRIES):
            trial.run(*trial.scene.hastily)
            if rule.struck:
                break
        found = [] if rule.struck else [f"the fault never struck: {trial.runs[0].said}"]
        trial.proxy.clear()
        case.fault.repair(trial)
        while len(trial.runs) < RUNS:
            ran = trial.run()
            arrived = trial.proxy.let_go()  # what was kept back, once that run has looked
            if ran.idle and not arrived:
                break
        found += broken(trial, peak=peak)
    violations = [f"{case.name}: {what}" for what in found]
    return Tried(violations, max(ran.seconds for ran in trial.runs), max(ran.peak for ran in trial.runs) - peak)


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
        ended = [*pool.map(lambda it: tried(it[1], tmp_path / str(it[0]), undisturbed), enumerate(cases))]

    violations = [violation for each in ended for violation in each.violations]
    print(f"{WANTED or 'selected'}, {service}: {len(cases)} faulted rotations, {len(violations)} violations")
    print(f"longest run {max((each.seconds for each in ended), default=0):.1f} s", end=", ")
    print(f"most memory +{max((each.kilobytes for each in ended), default=0) / 1024:.1f} MB")
    assert cases or WANTED
    if violations:
        pytest.fail("\n".join(violations), pytrace=False)


# --- the daemon -------------------------------------------------------------------------------------------------

BY_NAME = {fault.name: fault for fault in FAULTS}
MOST_TELLING = 8
LIVED_THROUGH = (  # the most telling first; how often, or until it is over; a connection's fault from the start on
    ("create", "late", 1),
    ("create", "429 with its headers", None),
    ("list the secrets", "refused", None),
    ("verify again", "silence after", None),
    ("promote", "reset after", 1),
    ("promote", "sealed", 1),
    ("promote", "token ended", 1),
    ("close staging", "silence after", 1),
    ("create", "reset after", 1),
    ("create", "silence before", 1),
    ("create", "500 after", 1),
    ("create", "unknown certificate", None),
    ("stage", "reset after", 1),
    ("stage", "refused", None),
    ("promote", "twice", 1),
    ("promote", "written in between", 1),
    ("promote", "permission lost", 1),
    ("destroy", "502 before", None),
)


def lived_through(effect: Effect, fault: Fault, times: int | None, trial: Trial) -> list[str]:
    """Let the daemon meet the fault, end it, and see whether the daemon settles by itself; return what was broken."""
    trial.site.extra["state"] = {"url": f"sqlite:///{trial.folder}/database/state.db"}
    with ONE_BY_ONE:
        trial.site.release()
    rule = trial.proxy.arm(fault.make(trial), effect.wanted, nth=effect.nth, times=times)
    with Daemon(trial.site, lambda argv, daemon: trial.zygote.run(argv, daemon.log, **daemon.environ)) as daemon:
        daemon.until_ready()
        eventually(lambda: rule.struck > 0, "the fault never struck", daemon)
        if times is None:
            time.sleep(OUTAGE)
        trial.proxy.clear()
        fault.repair(trial)
        eventually(trial.settled, "it did not settle", daemon)
        trial.proxy.let_go()
        eventually(trial.settled, "it did not settle again", daemon)
        code = daemon.stop()
    trial.runs.append(Ran(code, 0.0, 0, 0, daemon.log.read_text()))
    return [f"{effect.name} / {fault.name}: {what}" for what in broken(trial, peak=0)]


def eventually(holds: Callable[[], bool], complaint: str, daemon: Daemon) -> None:
    end = time.monotonic() + SETTLING
    while not holds():
        assert time.monotonic() < end, f"{complaint}: {daemon.log.read_text()}"
        time.sleep(0.05)


def test_the_daemon_settles_by_itself_once_all_is_well_again(
    tmp_path: Path, trust: Certificates, zygote: Zygote
) -> None:
    meets = LIVED_THROUGH if WANTED else LIVED_THROUGH[:MOST_TELLING]

    def live(number: int) -> list[str]:
        name, fault, times = meets[number]
        effect = next(effect for effect in EFFECTS if effect.name == name)
        with Trial(ROTATE, tmp_path / str(number), trust, zygote) as trial:
            return lived_through(effect, BY_NAME[fault], times, trial)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        violations = [violation for found in pool.map(live, range(len(meets))) for violation in found]

    print(f"{len(meets)} daemons under faults, {len(violations)} violations")
    if violations:
        pytest.fail("\n".join(violations), pytrace=False)


# --- the verdict itself -----------------------------------------------------------------------------------------


def test_the_verdict_finds_what_is_planted(tmp_path: Path, trust: Certificates, zygote: Zygote) -> None:
    with Trial(ROTATE, tmp_path / "planted", trust, zygote) as trial:
        peak = trial.run().peak
        trial.run()
        assert broken(trial, peak=peak) == []
        new, vault = trial.app.secrets[1], trial.box.vault
        plants: list[tuple[str, Callable[[], object]]] = [
            ("I8", lambda: (trial.folder / "left-behind").write_text(f"password={new.value}")),
            ("it took", lambda: trial.runs.append(replace(trial.runs[0], peak=peak + 100_000))),
            ("it said", lambda: trial.runs.append(replace(trial.runs[0], said="Traceback (most recent"))),
            ("without a hint", lambda: trial.runs.append(replace(trial.runs[0], code=5, said="no"))),
            ("exit code", lambda: trial.runs.append(replace(trial.runs[0], code=70))),
            ("I6", lambda: trial.runs.append(replace(trial.runs[0], wrote=1))),
            ("I3: staging", lambda: vault.put("secret", trial.staging, {"client_secret": "left"})),
            ("neighbour", lambda: vault.put("secret", "payroll/okta", {})),
            ("I5", lambda: vault.put("secret", PATH, {"client_secret": "bad"})),
            ("I3: Okta", lambda: trial.box.okta.revoke(trial.app, trial.old.id)),
        ]
        for word, plant in plants:
            before = broken(trial, peak=peak)
            plant()
            new_ones = set(broken(trial, peak=peak)) - set(before)
            assert any(word in found for found in new_ones), (word, new_ones)
