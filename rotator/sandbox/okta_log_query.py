"""Reading the System Log: `GET /api/v1/logs` (contracts: Okta 4.4).

* Bounded: with `until`, or newest first. In the order of `published`; `next` disappears at the end.
* Polling: ascending, without `until`. In the order of persistence, so that a late event is not missed; there is
  always a `next`, after an empty page too.
* An event shows once it is persisted, and not after 90 days.
* Without `since` seven days are looked at. A cursor replaces `since`.
* What cannot be understood is refused: a filter with E0000053, the rest with E0000001.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from .okta_call import answer_json, page_links
from .okta_errors import enveloped, invalid
from .okta_log import RETENTION
from .okta_scim import ScimError, parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from .http import Response
    from .okta_call import Call
    from .okta_log import Event
    from .okta_org import Org

DEFAULT_PAGE, LARGEST_PAGE = 100, 1000
DEFAULT_SPAN = timedelta(days=7)
LONGEST_WORD, MOST_WORDS = 40, 10
FILTERABLE = frozenset(
    {
        "actor",
        "authenticationContext",
        "client",
        "debugContext",
        "displayMessage",
        "eventType",
        "legacyEventType",
        "outcome",
        "securityContext",
        "severity",
        "target",
        "transaction",
        "uuid",
    }
)
_CURSOR = re.compile(r"([bp])(\d+)_(\d+)_(\d+)")
_EPOCH = datetime.fromtimestamp(0, UTC)
Position = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Query:
    """What was asked."""

    limit: int
    since: datetime
    until: datetime
    polling: bool
    descending: bool
    wanted: Callable[[Event], bool]
    after: Position | None


def answer_list(org: Org, call: Call) -> Response:
    query = _read(call)
    log = org.log
    if query.polling:
        found = _polled(log.by_persistence, query, now=call.now)
    else:
        found = _bounded(log.by_publication, query, now=call.now)
    matching = (event for event in found if query.wanted(event))
    page = list(islice(matching, query.limit))
    more = next(matching, None) is not None
    position = _next_position(query, page, more=more, end=(call.now, log.serial))
    following = {"after": _cursor(query, position)} if position else {}
    return answer_json(200, [event.document() for event in page], page_links(call.request, **following))


def _polled(events: list[Event], query: Query, *, now: datetime) -> Iterable[Event]:
    end = bisect_right(events, now, key=lambda event: event.persisted)
    if query.after is not None:
        begin = bisect_right(events, query.after, key=lambda event: (event.persisted, event.serial))
        return islice(events, begin, end)
    begin = bisect_left(events, query.since, key=lambda event: event.persisted)
    return (event for event in islice(events, begin, end) if event.published >= query.since)


def _bounded(events: list[Event], query: Query, *, now: datetime) -> Iterable[Event]:
    begin = bisect_left(events, max(query.since, now - RETENTION), key=lambda event: event.published)
    end = bisect_left(events, query.until, key=lambda event: event.published)
    if query.after is not None and query.descending:
        end = min(end, bisect_left(events, query.after, key=lambda event: (event.published, event.serial)))
    elif query.after is not None:
        begin = max(begin, bisect_right(events, query.after, key=lambda event: (event.published, event.serial)))
    span = events[begin:end]
    return (event for event in (reversed(span) if query.descending else span) if event.persisted <= now)


def _next_position(query: Query, page: list[Event], *, more: bool, end: Position) -> Position | None:
    """Return where the next page begins; None where there is no next page."""
    if query.polling and not more:
        # All that shows by now was looked at; what shows later sorts behind.
        return end
    if query.polling and not page:
        return query.after or (query.since, 0)
    if not more or not page:
        return None
    return (page[-1].persisted if query.polling else page[-1].published), page[-1].serial


def _cursor(query: Query, position: Position) -> str:
    kind = "p" if query.polling else "b"
    return f"{kind}{_microseconds(position[0])}_{position[1]}_{_microseconds(query.since)}"


def _microseconds(at: datetime) -> int:
    return (at - _EPOCH) // timedelta(microseconds=1)


def _moment(microseconds: str) -> datetime:
    return _EPOCH + timedelta(microseconds=int(microseconds))


def _read(call: Call) -> Query:
    request = call.request
    descending = _order(request.param("sortOrder")) == "DESCENDING"
    polling = request.param("until") is None and not descending
    until = _time(call, "until") or call.now
    after, begun = _position(request.param("after"), "p" if polling else "b")
    since = begun or _time(call, "since") or until - DEFAULT_SPAN
    if since > until and not polling:
        raise invalid("until", "until: must be after 'since'.")
    return Query(
        _limit(request.param("limit")),
        max(since, call.now - RETENTION),
        until,
        polling=polling,
        descending=descending,
        wanted=_wanted(call),
        after=after,
    )


def _order(asked: str | None) -> str:
    if asked not in {None, "ASCENDING", "DESCENDING"}:
        raise invalid("sortOrder", "sortOrder: must be ASCENDING or DESCENDING.")
    return asked or "ASCENDING"


def _limit(asked: str | None) -> int:
    if asked is None:
        return DEFAULT_PAGE
    if not asked.isdigit() or int(asked) > LARGEST_PAGE:
        raise invalid("limit", "limit: The limit must be a number between 0 and 1000.")
    return int(asked)


def _time(call: Call, name: str) -> datetime | None:
    text = call.request.param(name)
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as unclear:
        cause = "The date format in your query is not recognized. Please enter dates using ISO8601 string format."
        raise invalid(name, f"{name}: {cause}") from unclear
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _position(cursor: str | None, kind: str) -> tuple[Position | None, datetime | None]:
    """Read a cursor: where it stands, and the `since` of the query that it came from."""
    if cursor is None:
        return None, None
    match = _CURSOR.fullmatch(cursor)
    if match is None or match[1] != kind:
        raise invalid("after", "after: The cursor is invalid.")
    return (_moment(match[2]), int(match[3])), _moment(match[4])


def _wanted(call: Call) -> Callable[[Event], bool]:
    words = _words(call.request.param("q") or "")
    text = call.request.param("filter")
    if text is None:
        return lambda event: _has_words(event, words)
    try:
        predicate = parse(text, attributes=lambda name: name.partition(".")[0] in FILTERABLE)
    except ScimError as unclear:
        raise enveloped(400, "E0000053", f"Invalid filter '{text}': {unclear}") from unclear
    return lambda event: predicate(event.values) and _has_words(event, words)


def _words(text: str) -> list[str]:
    words = text.lower().split()
    if len(words) > MOST_WORDS or any(len(word) > LONGEST_WORD for word in words):
        raise invalid("q", "q: At most 10 keywords of at most 40 characters each are supported.")
    return words


def _has_words(event: Event, words: list[str]) -> bool:
    if not words:
        return True
    text = str(event.document()).lower()
    return all(word in text for word in words)
