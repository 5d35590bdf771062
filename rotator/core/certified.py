"""What was certified of an org, as far as the program relies on it. Pure.

* Where nothing was shown the assumption stands, and `open_facts` says so: None is no answer.
* Whoever relies on a fact asks a property of its own here; nobody else reads the report.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from rotator.core.certification.facts import ROWS, Fact, Verdict
from rotator.core.certification.report import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Certified:
    """A report, read again."""

    host: str
    at: datetime
    verdicts: Mapping[Fact, Verdict]
    seen: Mapping[Fact, str]
    later: Mapping[Fact, timedelta | None]  # of what takes time: when it had come; None: not in the time there was

    @property
    def hash_formula_holds(self) -> bool | None:
        """Whether `secret_hash` is what we compute: only then a value that Okta hides can be matched."""
        return self._holds(Fact.HASH_FORMULA)

    @property
    def log_hash_matches(self) -> bool | None:
        """Whether a granted token's event names the secret by its `secret_hash`: only then use can be told by it."""
        return self._holds(Fact.LOG_HASH_OF_TOKENS)

    @property
    def refused_hash_shown(self) -> bool | None:
        """Whether a refused token request tells the hash that was tried."""
        return self.seen[Fact.LOG_REFUSED] == "hash" if self._holds(Fact.LOG_REFUSED) is not None else None

    @property
    def secret_before_scope(self) -> bool | None:
        """Whether the secret is looked at before the scope: else a refused scope proves nothing."""
        return self._holds(Fact.SCOPE_ORDER)

    @property
    def log_lag(self) -> timedelta | None:
        """How long an event took until it showed in the log, at most."""
        return self.later.get(Fact.LOG_LAG)

    @property
    def propagation(self) -> timedelta | None:
        """How long a new secret took until it was seen everywhere, at most; None if that was not shown."""
        spans = [self.later[fact] for fact in (Fact.LIST_LAG, Fact.CREATE_LAG) if fact in self.later]
        return max((each for each in spans if each is not None), default=None)

    @property
    def otherwise(self) -> tuple[Fact, ...]:
        """The facts that matter and are not as assumed."""
        return tuple(f for f in self.verdicts if ROWS[f].matters and self.verdicts[f] is Verdict.OTHERWISE)

    @property
    def open_facts(self) -> tuple[Fact, ...]:
        """The facts that matter and could not be shown."""
        return tuple(f for f in ROWS if ROWS[f].matters and self._holds(f) is None)

    def _holds(self, fact: Fact) -> bool | None:
        verdict = self.verdicts.get(fact, Verdict.NOT_SHOWN)
        return None if verdict is Verdict.NOT_SHOWN else verdict is Verdict.AS_ASSUMED


def read(document: Any) -> Certified:
    """Return what a report says; ValueError, in words for people, if it is none that this release can read."""
    try:
        if document["version"] != VERSION or document["command"] != "certify":
            raise ValueError("it is no report of this release; run `rotator certify` again")
        facts = {Fact(each["fact"]): each for each in document["facts"] if each["fact"] in _NAMES}
        return Certified(
            host=str(document["host"]),
            at=datetime.fromisoformat(document["at"]),
            verdicts={fact: Verdict(each["verdict"]) for fact, each in facts.items()},
            seen={fact: str(each["seen"]) for fact, each in facts.items()},
            later={fact: _later(each["seconds"]) for fact, each in facts.items() if each["seconds"]},
        )
    except (KeyError, TypeError, IndexError, OverflowError):
        raise ValueError("it is no report of `rotator certify`") from None


_NAMES = frozenset(fact.value for fact in Fact)


def _later(seconds: list[float | None]) -> timedelta | None:
    return None if seconds[1] is None else timedelta(seconds=seconds[1])
