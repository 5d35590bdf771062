"""Facts about the System Log. Pure: each function looks for the events of what was done."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.certification.at_api import lag
from rotator.core.certification.facts import Fact, Shown
from rotator.core.certification.notes import Miss
from rotator.core.certification.said import not_shown, otherwise, shown
from rotator.core.diagnosis.evidence import Answer

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.certification.notes import Event, Maybe, Notes

LIFECYCLE = "app.oauth2.credentials.lifecycle"
GRANTS = ("app.oauth2.token.grant", "app.oauth2.as.token.grant")
SOON = timedelta(minutes=1)
AGENT = "rotator/"
REASONS = frozenset({"invalid_client", "invalid_client_secret"})
NO_EVENT = Miss("no such event was seen in time")


def log_hash(notes: Notes) -> Shown:
    return _hash(Fact.LOG_HASH, _made(notes), expected=notes.hash_made)


def log_hash_of_tokens(notes: Notes) -> Shown:
    ours = notes.granted.request_id if isinstance(notes.granted, Answer) else None
    if isinstance(notes.granted, Answer) and not notes.granted.token:
        return not_shown(Fact.LOG_HASH_OF_TOKENS, Miss(f"no token was issued ({notes.granted.error}): give --scope"))
    granted = [one for one in _events(notes) if one.kind.endswith(".access_token") and _by_client(notes, one)]
    granted.sort(key=lambda one: one.request_id != ours)
    event = granted[0] if granted else _nothing(notes)
    return _hash(Fact.LOG_HASH_OF_TOKENS, event, expected=notes.hash_used)


def log_deletion(notes: Notes) -> Shown:
    event = _found(notes, lambda one: one.kind == f"{LIFECYCLE}.delete" and _of_app(notes, one))
    return _hash(Fact.LOG_DELETION, event, expected=notes.hash_made)


def log_keys(notes: Notes) -> Shown:
    event = _made(notes)
    if isinstance(event, Miss) or event.keys_in_lower_case is None:
        return not_shown(Fact.LOG_KEYS, event if isinstance(event, Miss) else Miss("the event has no details"))
    return shown(Fact.LOG_KEYS, "lower" if event.keys_in_lower_case else "camel", event.kind, evidence=_ids(event))


def log_actor(notes: Notes) -> Shown:
    fact, event, client = Fact.LOG_ACTOR, _request(notes), notes.client
    if isinstance(event, Miss) or client is None:
        return not_shown(fact, event)
    if str(client.app) == client.client_id:
        return not_shown(fact, Miss("the app's id and its client id are the same"))
    words = {str(client.app): "app id", str(client.client_id): "client id"}
    detail = f"alternate id: {words.get(event.actor[1], 'something else')}"
    return shown(fact, words.get(event.actor[0], "something else"), detail, evidence=_ids(event))


def log_us(notes: Notes) -> Shown:
    fact, event = Fact.LOG_US, _made(notes)
    if isinstance(event, Miss):
        return not_shown(fact, event)
    by_agent = event.agent.startswith(AGENT)
    if notes.us is None:
        word = "an administrator, with our User-Agent" if by_agent else "an administrator"
        return (shown if by_agent else otherwise)(fact, word, f"User-Agent {event.agent}", evidence=_ids(event))
    if notes.us not in event.actor:
        return otherwise(fact, "neither of our ids", f"actor {event.actor[0]}", evidence=_ids(event))
    word = "our client id" if event.actor[0] == notes.us else "our client id as alternate id"
    return shown(fact, word, f"actor {event.actor[0]}", evidence=_ids(event))


def log_lag(notes: Notes) -> Shown:
    return lag(Fact.LOG_LAG, notes.log_lag, SOON)


def log_reason(notes: Notes) -> Shown:
    event = _refused(notes)
    if isinstance(event, Miss):
        return not_shown(Fact.LOG_REASON, event)
    verdict = shown if event.reason in REASONS else otherwise
    return verdict(Fact.LOG_REASON, event.reason or "none", event.kind, evidence=_ids(event))


def log_refused(notes: Notes) -> Shown:
    event = _refused(notes)
    if isinstance(event, Miss):
        return not_shown(Fact.LOG_REFUSED, event)
    return shown(Fact.LOG_REFUSED, "absent" if event.hash is None else "hash", event.kind, evidence=_ids(event))


def _hash(fact: Fact, event: Maybe[Event], *, expected: str) -> Shown:
    if isinstance(event, Miss):
        return not_shown(fact, event)
    if event.hash is None:
        return otherwise(fact, "absent", f"{event.kind} has none", evidence=_ids(event))
    if event.hash == expected:
        return shown(fact, "same", f"{event.kind} has it", evidence=_ids(event))
    return otherwise(fact, "different", f"{event.kind} has another one", evidence=_ids(event))


def _made(notes: Notes) -> Maybe[Event]:
    return _found(notes, lambda one: one.kind == f"{LIFECYCLE}.create" and _of_app(notes, one))


def _request(notes: Notes) -> Maybe[Event]:
    return _found(notes, lambda one: one.kind.startswith(GRANTS) and _by_client(notes, one))


def _refused(notes: Notes) -> Maybe[Event]:
    """Return the event of a request of ours that was refused for its secret; of another of that client if none is."""
    ours = {each.request_id for each in (notes.wrong_scope, notes.wrong_grant) if isinstance(each, Answer)}
    failed = [one for one in _events(notes) if one.kind.startswith(GRANTS) and one.failed and _by_client(notes, one)]
    failed.sort(key=lambda one: (one.request_id not in ours, "secret" not in one.reason))
    return failed[0] if failed else _nothing(notes)


def _found(notes: Notes, wanted: Callable[[Event], bool]) -> Maybe[Event]:
    return next(filter(wanted, _events(notes)), _nothing(notes))


def _events(notes: Notes) -> tuple[Event, ...]:
    return () if isinstance(notes.events, Miss) else notes.events


def _nothing(notes: Notes) -> Miss:
    return notes.events if isinstance(notes.events, Miss) else NO_EVENT


def _of_app(notes: Notes, event: Event) -> bool:
    return notes.app is not None and not event.targets.isdisjoint({notes.app.app, notes.app.client_id})


def _by_client(notes: Notes, event: Event) -> bool:
    return notes.client is not None and not {notes.client.app, notes.client.client_id}.isdisjoint(event.actor)


def _ids(event: Event) -> tuple[str, ...]:
    return tuple(each for each in (event.id, event.request_id) if each)
