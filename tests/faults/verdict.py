"""What was broken in a trial, once all is well again: by the sandbox's state, by what ran, and by what it said."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from rotator.sandbox.journal import Wanted
from tests.entry.site import ROOT
from tests.faults.stand import ACTIVATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.faults.stand import Trial

CLEAN = frozenset({0, 1, 4, 5})  # how a run may end under a fault: done, failed, busy, unreachable
LONGEST = 90.0  # seconds, on a machine as busy as can be
MOST = 48 * 1024  # kilobytes beyond those of an undisturbed run
UGLY = ("Traceback", "Exception ignored", "never retrieved", "never awaited", "Unclosed", "InvariantError")
HINTED = ("\n  hint ", "\n  next ", "\nbilling: ")  # in a block, or under a table
CREATE = Wanted(service="okta", method="POST", path="/api/v1/apps/*/credentials/secrets")
GIVEN = frozenset({"key.jwk", "secret-id", "okta-token", "vault-token", "config.yaml"})  # files that we gave it


def broken(trial: Trial, *, peak: int) -> list[str]:
    """Return it, one line each."""
    trial.observer.race_is_mended()
    return [
        *(f"{it.promise}: {it.what}, at call {it.effect}" for it in trial.observer.violations),
        *(["I1: the race was never mended"] if trial.observer.racing else []),
        *_settled(trial),
        *trial.foreign(),
        *_ran(trial, peak),
        *_told(trial),
    ]


def _settled(trial: Trial) -> Iterator[str]:
    """I1 to I3, I5: the slots are explained, consumers have what they should, staging is empty."""
    if trial.runs[-1].code != 0:
        yield f"it ends with {[ran.code for ran in trial.runs]}: {trial.runs[-1].said}"
        return
    site = trial.site
    if trial.slots != trial.scene.then or len(trial.slots) != len(trial.app.secrets):
        yield f"I3: Okta holds {[(each.id, each.status) for each in trial.app.secrets]}"
    holder = site.holder(trial.app)
    if holder is None or (holder.id == trial.old.id) is not (trial.scene is ACTIVATE) or not site.works(trial.app):
        yield "I1: Vault does not hold what it should"
    if not trial.theirs.items() <= site.fields().items():
        yield "I5: somebody else's field is lost"
    if trial.staged().get("state") != "empty" or any(
        "client_secret" in version.fields for version in trial.state().staging
    ):
        yield f"I3: staging is {trial.staged().get('state')}, or an older value of it can be read"
    made = sum(call.applied for call in trial.box.journal.calls(CREATE, since=trial.mark))
    if made > 2 * trial.scene.rotates:
        yield f"I7: {made} creates"


def _ran(trial: Trial, peak: int) -> Iterator[str]:
    for ran in trial.runs:
        if ran.code not in CLEAN:
            yield f"exit code {ran.code}: {ran.said}"
        if ran.seconds > LONGEST:
            yield f"it took {ran.seconds:.0f} s"
        if ran.peak > peak + MOST:
            yield f"it took {ran.peak >> 10} MB, {(ran.peak - peak) >> 10} more than undisturbed"
        if any(word in ran.said for word in UGLY):
            yield f"it said: {ran.said}"
        if ran.code != 0 and not any(words in ran.said for words in HINTED):
            yield f"it failed without a hint: {ran.said}"
    if len(trial.runs) > 1 and not trial.runs[-1].idle:
        yield f"I6: it does not come to rest: {[ran.wrote for ran in trial.runs]} writes"


def _told(trial: Trial) -> Iterator[str]:
    """I8: nothing secret in what it said and in the files that it left."""
    secrets = trial.proxy.carried | {each.value for each in (*trial.app.secrets, trial.old)} | {trial.site.api_token}
    assert ROOT not in secrets
    forms = {form.encode() for secret in secrets for form in (secret, quote(secret, safe=""))}
    for file in trial.folder.rglob("*"):
        if file.is_file() and file.name not in GIVEN:
            text = file.read_bytes()
            for form in forms:
                if form in text:
                    yield f"I8: {file.name} holds {form[:6]!r}…"
