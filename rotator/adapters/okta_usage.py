"""Token requests of a client in the System Log: which ones to ask for, and what each says of the old secret. Pure.

* A request with the old secret's hash counts however it ended: somebody has it. So one that was refused for its scope
  is told, as one whose secret was not what it was refused for.
* Without a hash only a refusal for the secret says something: no policy, scope or grant is the secret's fault.
* An alarm about wrong secrets is such a refusal. Its list is masked, and names no hash (contracts: Okta 4.1).
* An event that cannot be read is told as missing: silence is proven by a log that was read whole.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.adapters.okta_events import (
    address_of,
    agent_of,
    hashes_of,
    inner,
    names_of_actor,
    names_of_apps,
    published,
)
from rotator.core.usage import Refusal, TokenRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from rotator.core.model import App

HASH = "debugContext.debugData.clientSecret"
GRANTS = ("app.oauth2.token.grant", "app.oauth2.as.token.grant")
ALARM = "app.oauth2.invalid_client_credentials"
# Okta's internal codes for a secret that is not accepted (contracts: Okta 4.2, 5.2). The first is generic; the third is
# what a client says who signs with its secret.
FOR_THE_SECRET = frozenset({"invalid_client", "invalid_client_secret", "invalid_client_assertion_signature"})


@dataclass(frozen=True, slots=True)
class Requests:
    """What events say; `unreadable` if one of them could not be understood."""

    told: tuple[TokenRequest, ...]
    unreadable: bool


def uses(app: App, old: str) -> str:
    """Return the filter for what the client did with the old secret, and for all its requests that were refused."""
    return f"({_of([app.id, app.client_id])}) and ({HASH} eq {_text(old)} or {_refused()})"


def grants(app: App, current: str) -> str:
    """Return the filter for tokens that the client got with the secret in use."""
    got = f'({_any("eventType sw", GRANTS)}) and outcome.result eq "SUCCESS"'
    return f"({_of([app.id, app.client_id])}) and {got} and {HASH} eq {_text(current)}"


def refusals(clients: Collection[str]) -> str:
    """Return the filter for the requests of these clients, or of any, that were refused."""
    return f"({_of(clients)}) and ({_refused()})" if clients else _refused()


def refusal_of(event: dict[str, Any], *, ours: bool) -> Refusal | None:
    """Return the refusal of somebody else's secret that an event tells of; None if it is something else."""
    request = _request(event, ours)
    if request is None or request.granted or request.for_other_reason or request.ours:
        return None
    return Refusal(
        str(event.get("uuid")), names_of_actor(event) | frozenset(names_of_apps(event)), request.address, request.agent
    )


def requests_of(events: Iterable[Any], *, ours: Callable[[dict[str, Any]], bool]) -> Requests:
    """Return what these events say of the use of a secret, in their order."""
    told: list[TokenRequest] = []
    unreadable = False
    for event in events:
        request = _request(event, ours(event)) if isinstance(event, dict) else None
        if request is None:
            unreadable = True
        elif request.hashes or not request.for_other_reason:
            told.append(request)
    return Requests(tuple(told), unreadable)


def _request(event: dict[str, Any], ours: bool) -> TokenRequest | None:
    at, hashes = published(event), frozenset(hashes_of(event))
    outcome, alarm = inner(event, "outcome"), event.get("eventType") == ALARM
    granted = outcome.get("result") == "SUCCESS" and not alarm
    if at is None or (granted and not hashes):
        return None
    reason = outcome.get("reason")
    for_it = not reason or not isinstance(reason, str) or reason in FOR_THE_SECRET
    refused_for_it = alarm or (outcome.get("result") == "FAILURE" and for_it)
    return TokenRequest(
        at=at,
        granted=granted,
        hashes=hashes,
        address=address_of(event),
        agent=agent_of(event),
        ours=ours,
        for_other_reason=not granted and not refused_for_it,
    )


def _refused() -> str:
    return f'(({_any("eventType sw", GRANTS)}) and outcome.result eq "FAILURE") or eventType eq "{ALARM}"'


def _of(clients: Collection[str]) -> str:
    return _any("actor.id eq", dict.fromkeys(clients))


def _any(test: str, values: Iterable[str]) -> str:
    return " or ".join(f"{test} {_text(value)}" for value in values)


def _text(value: str) -> str:
    return json.dumps(value)
