"""Facts about the token and introspection endpoints. Pure: each function says what one answer shows.

An answer is accepted (a token, or an introspection that was answered), refused (401 `invalid_client`), or something
else that its `error` names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.certification.facts import Fact, Shown
from rotator.core.certification.notes import Miss
from rotator.core.certification.said import not_shown, otherwise, shown

if TYPE_CHECKING:
    from rotator.core.certification.notes import Maybe, Notes
    from rotator.core.diagnosis.evidence import Answer

ACCEPTED, REFUSED = "accepted", "refused"
PROOF = frozenset({"invalid_dpop_proof", "use_dpop_nonce"})
WORDINGS = {"spec": "can't supply", "catalogue": "cannot supply"}  # to two kinds of credentials


def how(answer: Answer) -> str:
    """Return what an answer says of the client: accepted, refused, or Okta's own word for something else."""
    if answer.token or answer.introspected:
        return ACCEPTED
    if answer.status == 401 and answer.error == "invalid_client":
        return REFUSED
    return answer.error or f"{answer.status} without an error code"


def scope_order(notes: Notes) -> Shown:
    fact, answer = Fact.SCOPE_ORDER, _came(notes.wrong_scope)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    match how(answer):
        case "refused":
            return shown(fact, "secret first", _told(answer), evidence=_id(answer))
        case "invalid_scope":
            return otherwise(fact, "scope first", _told(answer), evidence=_id(answer))
    return otherwise(fact, "something else first", _told(answer), evidence=_id(answer))


def grant_order(notes: Notes) -> Shown:
    fact, answer = Fact.GRANT_ORDER, _came(notes.wrong_grant)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    word = "secret first" if how(answer) == REFUSED else "grant first"
    return shown(fact, word, _told(answer), evidence=_id(answer))


def proof_order(notes: Notes) -> Shown:
    fact, answer = Fact.PROOF_ORDER, _came(notes.without_proof)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    seen = how(answer)
    word = "secret first" if seen == REFUSED else "proof first" if seen in PROOF else "something else first"
    return shown(fact, word, _told(answer), evidence=_id(answer))


def introspection(notes: Notes) -> Shown:
    fact, answer, beside = Fact.INTROSPECTION, _came(notes.introspected_by_org), _came(notes.introspected)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    more = "" if isinstance(beside, Miss) else f"; at the custom server: {how(beside)}"
    if how(answer) == ACCEPTED:
        return shown(fact, "works", f"200{more}", evidence=_id(answer))
    word = "refuses service apps" if answer.error == "invalid_request" else "does not"
    return otherwise(fact, word, f"{_told(answer)}{more}", evidence=_id(answer))


def wrong_secret(notes: Notes) -> Shown:
    fact, answer, both = Fact.WRONG_SECRET, _first(notes), _came(notes.both_ways)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    said = "" if isinstance(both, Miss) else both.description.lower()
    word = next((name for name, text in WORDINGS.items() if text in said), "another wording" if said else "")
    if how(answer) == REFUSED:
        return shown(fact, word or "invalid_client", _told(answer), evidence=_id(answer))
    return otherwise(fact, word or answer.error, _told(answer), evidence=_id(answer))


def app_off(notes: Notes) -> Shown:
    fact, answer = Fact.APP_OFF, _came(notes.app_off)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    seen = how(answer)
    if seen == REFUSED:
        seen = "unknown client" if "client_id" in answer.description else "refused as any other"
    return shown(fact, seen, _told(answer), evidence=_id(answer))


def percent(notes: Notes) -> Shown:
    fact, answer = Fact.PERCENT, _came(notes.percent)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    if how(answer) not in {ACCEPTED, REFUSED}:
        return not_shown(fact, Miss(_told(answer)))
    return shown(fact, "not decoded" if how(answer) == ACCEPTED else "decoded", _told(answer), evidence=_id(answer))


def other_method(notes: Notes) -> Shown:
    fact, answer = Fact.OTHER_METHOD, _came(notes.other_method)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    return shown(fact, "taken" if how(answer) == ACCEPTED else "refused", _told(answer), evidence=_id(answer))


def challenge(notes: Notes) -> Shown:
    fact, answer = Fact.CHALLENGE, _first(notes)
    if isinstance(answer, Miss) or answer.status != 401:
        return not_shown(fact, answer if isinstance(answer, Miss) else Miss("no 401 was seen"))
    header = answer.headers.get("www-authenticate", "")
    return shown(fact, "sent" if header else "not sent", header or "a 401 without it", evidence=_id(answer))


def both_ways(notes: Notes) -> Shown:
    fact, answer = Fact.BOTH_WAYS, _came(notes.both_ways)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    return shown(fact, str(answer.status), _told(answer), evidence=_id(answer))


def org_server(notes: Notes) -> Shown:
    fact, answer = Fact.ORG_SERVER, _came(notes.by_org)
    if isinstance(answer, Miss):
        return not_shown(fact, answer)
    words = {"unsupported_grant_type": "unknown there", REFUSED: "not with a secret", ACCEPTED: "even with a secret"}
    return shown(fact, words.get(how(answer), how(answer)), _told(answer), evidence=_id(answer))


def _first(notes: Notes) -> Maybe[Answer]:
    """Return the first answer to a wrong secret in which the secret was looked at, else the first."""
    tried = [_came(each) for each in (notes.wrong_scope, notes.wrong_grant, notes.without_proof)]
    answers = [each for each in tried if not isinstance(each, Miss)]
    return next((each for each in answers if how(each) == REFUSED), next(iter(answers), tried[0]))


def _came(answer: Maybe[Answer]) -> Maybe[Answer]:
    return Miss(answer.lost) if not isinstance(answer, Miss) and answer.lost else answer


def _told(answer: Answer) -> str:
    if answer.token:
        return "a token was issued, and revoked"
    error = f"{answer.status} {answer.error}".strip()
    return f"{error}: {answer.description}" if answer.description else error


def _id(answer: Answer) -> tuple[str, ...]:
    return (answer.request_id,) if answer.request_id else ()
