"""Facts about the management API and the secrets there. Pure: each function says what one part of the notes shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.certification.facts import Fact, Shown, Verdict
from rotator.core.certification.notes import Look, Miss, Plain, Said, Span
from rotator.core.certification.said import not_shown, otherwise, shown

if TYPE_CHECKING:
    from datetime import timedelta

    from rotator.core.certification.notes import Maybe, Notes

TEXTS = {"new": "You've reached the maximum", "old": "You have reached the maximum"}


def hash_formula(notes: Notes) -> Shown:
    looks = [each for each in (notes.created, notes.listed_on, notes.got_on) if isinstance(each, Look)]
    if not looks:
        return not_shown(Fact.HASH_FORMULA, notes.created)
    if all(look.hash_as_ours for look in looks):
        return shown(Fact.HASH_FORMULA, "as known", "the hash of a value of ours is what we compute")
    return otherwise(Fact.HASH_FORMULA, "another", "the hash of a value of ours is not what we compute")


def plaintext(notes: Notes) -> Shown:
    looks = {
        "list, active": notes.listed_on,
        "get, active": notes.got_on,
        "list, inactive": notes.listed_off,
        "get, inactive": notes.got_off,
    }
    seen = {where: look.plain for where, look in looks.items() if isinstance(look, Look)}
    if not seen:
        return not_shown(Fact.PLAINTEXT, notes.listed_on)
    detail = "; ".join(f"{where}: {plain.value}" for where, plain in seen.items())
    kinds = {plain.value for plain in seen.values()}
    word = kinds.pop() if len(kinds) == 1 else "differs"
    good = word == Plain.SHOWN.value and len(seen) == len(looks)
    if word == Plain.SHOWN.value and not good:
        return Shown(Fact.PLAINTEXT, Verdict.NOT_SHOWN, word, f"{detail}; the others could not be looked at")
    return (shown if good else otherwise)(Fact.PLAINTEXT, word, detail)


def list_lag(notes: Notes) -> Shown:
    return lag(Fact.LIST_LAG, notes.list_lag, notes.propagation)


def create_lag(notes: Notes) -> Shown:
    return lag(Fact.CREATE_LAG, notes.create_lag, notes.propagation)


def deactivate_lag(notes: Notes) -> Shown:
    return lag(Fact.DEACTIVATE_LAG, notes.deactivate_lag, notes.propagation)


def lag(fact: Fact, span: Maybe[Span], most: timedelta) -> Shown:
    """Compare how long something took with the longest that is allowed for."""
    if isinstance(span, Miss):
        return not_shown(fact, span)
    sooner = span.sooner.total_seconds() if span.sooner is not None else None
    later = span.later.total_seconds() if span.later is not None else None
    numbers, limit = (sooner, later), f"{most.total_seconds():g} s are allowed for"
    if later is None:
        detail = f"not yet after {sooner or 0:.1f} s, when looking ended; {limit}"
        return otherwise(fact, f"not within {sooner or 0:.0f} s", detail, evidence=span.evidence, span=numbers)
    word = "at once" if sooner is None else f"within {later:.1f} s"
    detail = f"at the first look, {later:.1f} s after" if sooner is None else f"not yet after {sooner:.1f} s, then"
    verdict = shown if later <= most.total_seconds() or sooner is None else otherwise
    return verdict(fact, word, f"{detail} ({limit})", evidence=span.evidence, span=numbers)


def duplicates(notes: Notes) -> Shown:
    same, other = notes.same_app, notes.other_app
    if isinstance(same, Miss):
        return not_shown(Fact.DUPLICATES, same)
    refused = [each for each in (same, other) if isinstance(each, Said) and not each.ok]
    if isinstance(other, Miss):
        word = "app or org" if refused else "none in the app"
    elif not refused:
        word = "none"
    else:
        word = "app" if other.ok else "org"
    detail = "; ".join(each.text for each in refused) or "the same value was taken again"
    known = all(each.code == "duplicate_value" for each in refused)
    return (shown if known else otherwise)(Fact.DUPLICATES, word, detail, evidence=_ids(same, other))


def error_texts(notes: Notes) -> Shown:
    wanted = {"slots_full": notes.full, "only_active": notes.only_active, "still_active": notes.still_active}
    tried = {code: each for code, each in wanted.items() if isinstance(each, Said)}
    if not tried:
        return not_shown(Fact.ERROR_TEXTS, notes.full)
    full = notes.full.text if isinstance(notes.full, Said) else ""
    word = next((name for name, text in TEXTS.items() if text in full), "other")
    unknown = {code: each for code, each in tried.items() if each.code != code}
    if unknown:
        detail = "; ".join(f"{code}: {each.text or 'it was not refused'}" for code, each in unknown.items())
        return otherwise(Fact.ERROR_TEXTS, word, detail, evidence=_ids(*tried.values()))
    detail = "; ".join(f"{code}: {each.text}" for code, each in tried.items())
    return shown(Fact.ERROR_TEXTS, word, detail, evidence=_ids(*tried.values()))


def gone(notes: Notes) -> Shown:
    if isinstance(notes.gone, Miss):
        return not_shown(Fact.GONE, notes.gone)
    verdict = shown if notes.gone.code == "E0000007" else otherwise
    return verdict(Fact.GONE, notes.gone.code or "no error", notes.gone.text, evidence=_ids(notes.gone))


def writing(notes: Notes) -> Shown:
    said = notes.created_said
    if isinstance(said, Miss):
        return not_shown(Fact.WRITING, said)
    if said.ok:
        return shown(Fact.WRITING, "enough", "a secret was made", evidence=_ids(said))
    return otherwise(Fact.WRITING, "not enough", said.text, evidence=_ids(said))


def same_state(notes: Notes) -> Shown:
    said = [each for each in (notes.twice_off, notes.twice_on) if isinstance(each, Said)]
    if not said:
        return not_shown(Fact.SAME_STATE, notes.twice_off)
    refused = [each for each in said if not each.ok]
    word = "refused" if len(refused) == len(said) else "differs" if refused else "ok"
    detail = "; ".join(each.text for each in refused) or "answered as if it had changed something"
    return shown(Fact.SAME_STATE, word, detail, evidence=_ids(*said))


def list_order(notes: Notes) -> Shown:
    if not notes.orders:
        return not_shown(Fact.LIST_ORDER, Miss("no list with two secrets was seen"))
    left = frozenset.intersection(*notes.orders)
    word = " or ".join(sorted(left)) or "none that is known"
    return shown(Fact.LIST_ORDER, word, f"in {len(notes.orders)} lists of two secrets")


def limits(notes: Notes) -> Shown:
    if not notes.limits:
        return otherwise(Fact.LIMITS, "not told", "no answer had X-Rate-Limit headers")
    told = ", ".join(f"{name} {limit}" for name, limit in sorted(notes.limits.items()))
    return shown(Fact.LIMITS, "told", f"calls a minute for us: {told}")


def _ids(*said: object) -> tuple[str, ...]:
    return tuple(each.request_id for each in said if isinstance(each, Said) and each.request_id)
