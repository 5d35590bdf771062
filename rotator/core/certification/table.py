"""All facts, in their order, and what is kept of them. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.certification import at_api, at_tokens, in_log
from rotator.core.certification.facts import Fact

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.certification.facts import Shown
    from rotator.core.certification.notes import Notes

JUDGES: dict[Fact, Callable[[Notes], Shown]] = {
    Fact.HASH_FORMULA: at_api.hash_formula,
    Fact.PLAINTEXT: at_api.plaintext,
    Fact.LIST_LAG: at_api.list_lag,
    Fact.CREATE_LAG: at_api.create_lag,
    Fact.DEACTIVATE_LAG: at_api.deactivate_lag,
    Fact.DUPLICATES: at_api.duplicates,
    Fact.ERROR_TEXTS: at_api.error_texts,
    Fact.GONE: at_api.gone,
    Fact.SCOPE_ORDER: at_tokens.scope_order,
    Fact.GRANT_ORDER: at_tokens.grant_order,
    Fact.PROOF_ORDER: at_tokens.proof_order,
    Fact.INTROSPECTION: at_tokens.introspection,
    Fact.WRONG_SECRET: at_tokens.wrong_secret,
    Fact.LOG_HASH: in_log.log_hash,
    Fact.LOG_HASH_OF_TOKENS: in_log.log_hash_of_tokens,
    Fact.LOG_KEYS: in_log.log_keys,
    Fact.LOG_ACTOR: in_log.log_actor,
    Fact.LOG_US: in_log.log_us,
    Fact.LOG_LAG: in_log.log_lag,
    Fact.LOG_REASON: in_log.log_reason,
    Fact.LOG_DELETION: in_log.log_deletion,
    Fact.WRITING: at_api.writing,
    Fact.SAME_STATE: at_api.same_state,
    Fact.LIST_ORDER: at_api.list_order,
    Fact.APP_OFF: at_tokens.app_off,
    Fact.PERCENT: at_tokens.percent,
    Fact.OTHER_METHOD: at_tokens.other_method,
    Fact.CHALLENGE: at_tokens.challenge,
    Fact.BOTH_WAYS: at_tokens.both_ways,
    Fact.ORG_SERVER: at_tokens.org_server,
    Fact.LOG_REFUSED: in_log.log_refused,
    Fact.LIMITS: at_api.limits,
}


def judge(notes: Notes) -> tuple[Shown, ...]:
    """Return what the notes show of each fact."""
    return tuple(says(notes) for says in JUDGES.values())
