"""How a value compares with the secrets that an app has and had. Values come in, how they compare goes out.

* By value where Okta shows one, else by hash; as it is first, then what may be under a disguise.
* Whose request in the log was granted a token after a refusal has been mended, and counts no more.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rotator.core.diagnosis.evidence import Failures, Likeness, LogSide, Slot, Version
from rotator.core.diagnosis.signs import REASONS
from rotator.core.disguise import undisguised

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from rotator.core.diagnosis.evidence import Trace, Traces
    from rotator.core.model import ConsumerVersion, OktaSecret
    from rotator.core.secret_value import SecretValue


def slot_of(secret: OktaSecret, value: SecretValue) -> Slot:
    """Return a secret of Okta's as the value is like it."""
    return Slot(secret.id, secret.status, secret.created, secret.changed, _likeness(secret, value))


def version_of(version: ConsumerVersion, value: SecretValue, listed: Sequence[OktaSecret]) -> Version:
    """Return a version of the path as the value is like it, and which of Okta's secrets it holds."""
    held = version.value
    holds = next((secret.id for secret in listed if held is not None and secret.carries(held)), None)
    return Version(version.number, held == value, holds, version.secret_id)


def log_side(told: Traces, value: SecretValue, listed: Sequence[OktaSecret], *, since: datetime) -> LogSide:
    """Return what the log tells of the value."""
    deletions = [trace for trace in told.traces if trace.deletion]
    hashes = {secret.hash for secret in listed}
    return LogSide(
        since=since,
        whole=told.whole,
        deleted=any(value.hash in trace.hashes for trace in deletions),
        deletions=len(deletions),
        comparable=any(not hashes.isdisjoint(trace.hashes) for trace in told.traces),
        used_by=frozenset(trace.client for trace in told.traces if trace.client and value.hash in trace.hashes),
        failures=_failures(told.traces),
    )


def _likeness(secret: OktaSecret, value: SecretValue) -> Likeness | None:
    if secret.carries(value):
        return Likeness()
    return next((Likeness(disguise) for disguise, bare in undisguised(value) if secret.carries(bare)), None)


def _failures(traces: Iterable[Trace]) -> tuple[Failures, ...]:
    """Return what others are refused for, most often first: those that have not been granted a token since."""
    mended: set[str] = set()
    refused: list[Trace] = []
    for trace in sorted(traces, key=lambda trace: trace.at, reverse=True):
        if trace.granted:
            mended.add(trace.who)
        elif trace.refused in REASONS and trace.who not in mended and not trace.ours:
            refused.append(trace)
    times, last = Counter(trace.refused for trace in refused), {trace.refused: trace.at for trace in reversed(refused)}
    return tuple(Failures(REASONS[reason], reason, count, last[reason]) for reason, count in times.most_common())
