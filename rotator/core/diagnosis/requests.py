"""What may be the matter with the request: how the client shows itself, and what it asks for.

* What Okta says in so many words is the cause; where the app is set so that the request could never pass, that counts
  as well, though Okta may have stopped at something else before.
* Requests of others that the System Log has as refused count like an answer: whoever runs the doctor may use the right
  method where the application does not.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from rotator.core.diagnosis.causes import Cause, Doubt, Finding
from rotator.core.diagnosis.evidence import INTROSPECTION
from rotator.core.diagnosis.signs import PAST_THE_METHOD, Sign
from rotator.core.model import AuthMethod

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.diagnosis.case import Case

TIMEKEEPING = "Set the clock of the machine that signs (NTP)."

# What Okta says in so many words, and what mends it.
SAID: Mapping[Sign, tuple[Cause, str]] = {
    Sign.NO_CREDENTIALS: (
        Cause.NO_CREDENTIALS,
        "Send the secret by the app's own method; see whether a proxy takes the Authorization header out.",
    ),
    Sign.MALFORMED: (
        Cause.MALFORMED_BASIC,
        'Send `Basic ` and base64 of `id:secret`, on one line: `printf %s "$ID:$SECRET" | openssl base64 -A`.',
    ),
    Sign.TWO_METHODS: (
        Cause.TWO_METHODS,
        "Send the credentials once: in the Authorization header, in the form, or as an assertion. Many libraries add"
        " `client_secret` to the form by themselves.",
    ),
    Sign.IN_QUERY: (
        Cause.IN_QUERY,
        "Send the credentials in the header or the form. What stood in the address is in logs now: have a new secret"
        " made.",
    ),
    Sign.TOO_SHORT: (Cause.TOO_SHORT, "Have a secret of at least 32 characters made."),
    Sign.EXPIRED: (Cause.ASSERTION_EXPIRED, f"Sign a new assertion for each request. {TIMEKEEPING}"),
    Sign.EARLY: (
        Cause.ASSERTION_EARLY,
        f"Let `iat` be now and `exp` at most an hour later, five minutes are enough. {TIMEKEEPING}",
    ),
    Sign.AUDIENCE: (
        Cause.ASSERTION_AUDIENCE,
        "Let `aud` be the address of the token endpoint to which the request goes, as it is written there.",
    ),
    Sign.REUSED: (
        Cause.ASSERTION_REUSED,
        "Sign a new assertion, with a `jti` of its own, for each request, retries too.",
    ),
    Sign.SCOPE: (
        Cause.SCOPE,
        "The secret is good. Ask for a scope that the authorization server has: Security, API, the server, Scopes.",
    ),
    Sign.POLICY: (
        Cause.POLICY,
        "The secret is good. Let an access policy of the server take the client in, with a rule for the grant:"
        " Security, API, the server, Access Policies.",
    ),
    Sign.ZONE: (Cause.NETWORK_ZONE, "Ask from an address of the app's network zone, or change the zone."),
    Sign.DPOP: (
        Cause.DPOP,
        "Send a DPoP proof with the request, or switch `Require Demonstrating Proof of Possession` off for the app.",
    ),
    Sign.LIMIT: (
        Cause.RATE_LIMIT,
        "This says nothing of the client: wait for the limit's window, and ask for tokens less often (they last an"
        " hour).",
    ),
    Sign.AILING: (
        Cause.OUT_OF_ORDER,
        "This says nothing of the client: ask again in a while, and see https://status.okta.com.",
    ),
}


def what_okta_said(case: Case) -> Finding | None:
    """Okta names the cause itself."""
    if case.sign is None or case.sign not in SAID:
        return None
    cause, remedy = SAID[case.sign]
    return Finding(cause, case.said + _of_the_clocks(case) + _of_the_window(case), remedy, _command(case, cause))


def wrong_method(case: Case) -> Finding | None:
    """The request shows itself otherwise than the app is set to."""
    app, asked = case.seen.app, case.seen.asked
    if case.sign is Sign.METHOD and app is None:
        remedy = "Use the method that the app is set to: General, Client Credentials."
        return Finding(Cause.WRONG_METHOD, case.said, remedy)
    if app is None or asked is None or not app.auth_method.uses_secret or asked.method is AuthMethod.NONE:
        return None
    if not case.other_method or case.sign in PAST_THE_METHOD:
        return None
    return Finding(
        Cause.WRONG_METHOD,
        f"the request used {asked.method.value}, and the app {app.id} is set to {app.auth_method.value}",
        f"Set the application to {app.auth_method.value}; or the app: {case.console}, General, Client Credentials.",
        case.again(auth_method=app.auth_method.value),
    )


def malformed_basic(case: Case) -> Finding | None:
    """The header that was captured cannot be read."""
    basic = case.seen.captured.basic if case.seen.captured else None
    if basic is None or basic.readable or case.believed:
        return None
    return Finding(Cause.MALFORMED_BASIC, basic.why, SAID[Sign.MALFORMED][1])


def credentials_in_query(case: Case) -> Finding | None:
    """The address that was captured has credentials in it."""
    if case.seen.captured is None or not case.seen.captured.secret_in_query:
        return None
    cause, remedy = SAID[Sign.IN_QUERY]
    return Finding(cause, "the address that was asked has a secret in its query", remedy)


def two_methods(case: Case) -> Finding | None:
    """The request that was captured shows itself twice."""
    if case.seen.captured is None or case.seen.captured.methods < 2:
        return None
    cause, remedy = SAID[Sign.TWO_METHODS]
    return Finding(cause, "the request has credentials in more than one place", remedy)


def too_short_to_sign(case: Case) -> Finding | None:
    """The secret is shorter than a signature takes."""
    asked = case.seen.asked
    signs = asked is not None and asked.method is AuthMethod.SECRET_JWT
    if not signs or not case.shows_a_secret or not case.seen.shape.too_short_for_jwt:
        return None
    evidence = f"{case.holder} has fewer than 32 characters, and client_secret_jwt signs with none so short"
    return Finding(Cause.TOO_SHORT, evidence, SAID[Sign.TOO_SHORT][1], _renew(case))


def grant(case: Case) -> Finding | None:
    """The app, or the server, does not have the grant."""
    app, asked = case.seen.app, case.seen.asked
    if case.sign is Sign.TOKEN or (case.sign is Sign.AUTHENTICATED and not _lacks_grant(case)):
        return None
    if case.sign is not Sign.GRANT and not _lacks_grant(case):
        return None
    name = asked.grant if asked else "the grant"
    evidence = case.said
    if app is not None and _lacks_grant(case):
        evidence = f"the app {app.id} may use {', '.join(sorted(app.grant_types)) or 'no grant'}, and asked by {name}"
    remedy = f"Ask by a grant that the app has, or give it the grant: {case.console}, General, Grant type."
    return Finding(Cause.GRANT, evidence, remedy)


def dpop(case: Case) -> Finding | None:
    """The app is bound to DPoP, and a token was asked for without a proof."""
    app, asked = case.seen.app, case.seen.asked
    if app is None or asked is None or not app.dpop_bound or asked.grant == INTROSPECTION or case.sign is Sign.TOKEN:
        return None
    return Finding(Cause.DPOP, f"the app {app.id} takes no token request without a DPoP proof", SAID[Sign.DPOP][1])


def what_the_log_has(case: Case) -> Finding | Doubt | None:
    """Others ask for the same client, and are refused for something else than we are."""
    log = case.seen.log
    if not case.believed or log is None:
        return None
    for failed in log.failures:
        evidence = (
            f"ours was not refused, and the System Log has others that were: {failed.times} within the hour,"
            f" `{failed.reason}`, the last at {failed.last:%H:%M} UTC"
        )
        if failed.sign is Sign.METHOD and case.seen.app is not None:
            method = case.seen.app.auth_method.value
            remedy = f"Find the application that asks otherwise, and set it to {method}."
            return Finding(Cause.WRONG_METHOD, evidence, remedy)
        if failed.sign in SAID:
            cause, remedy = SAID[failed.sign]
            return Finding(cause, evidence, remedy)
        if failed.sign is Sign.WRONG_SECRET:
            return Doubt(
                (Cause.OLDER_VERSION, Cause.REVOKED, Cause.NEVER_EXISTED),
                evidence,
                "Run it where that application runs, with the secret that it uses: `--secret-file FILE`.",
            )
    return None


def introspection_says_nothing(case: Case) -> Doubt | None:
    """The secret could not be tried."""
    if case.sign is not Sign.NOT_FOR_SERVICE:
        return None
    return Doubt(
        (),
        f"{case.said}; so the secret could not be tried by introspection",
        "Name the authorization server that the application asks, and its scope: `--issuer`, `--scope`.",
    )


def not_understood(case: Case) -> Doubt | None:
    """Okta's answer is none that its documents know."""
    if case.sign is Sign.NO_PATH and not (case.seen.captured and "//" in case.seen.captured.path):
        return Doubt(
            (Cause.TRAILING_SLASH, Cause.OTHER_SERVER),
            f"{case.said}: there is nothing at that path",
            "Take the token endpoint from the issuer's discovery document, `/.well-known/openid-configuration`.",
        )
    if case.sign is not Sign.OTHER:
        return None
    return Doubt(
        (),
        f"{case.said}: that is no answer of a token endpoint that is known",
        "See that it is the token endpoint that is asked; else ask Okta's support, with the request's id.",
    )


def _lacks_grant(case: Case) -> bool:
    app, asked = case.seen.app, case.seen.asked
    if app is None or asked is None or asked.grant == INTROSPECTION:
        return False
    return asked.grant not in app.grant_types


def _of_the_clocks(case: Case) -> str:
    answer = case.seen.answer
    if case.sign not in {Sign.EXPIRED, Sign.EARLY} or answer is None or answer.skew is None:
        return ""
    seconds = round(answer.skew.total_seconds())
    return f"; Okta's clock is {abs(seconds)} seconds {'ahead of' if seconds > 0 else 'behind'} the one here"


def _of_the_window(case: Case) -> str:
    """Say when the limit's window ends, if Okta said so; too many requests at the same time have none."""
    headers = case.seen.answer.headers if case.seen.answer else {}
    reset = headers.get("x-rate-limit-reset", "")
    if case.sign is not Sign.LIMIT or not reset.isdecimal():
        return ""
    if headers.get("x-rate-limit-limit") == "0":
        return "; too many requests at the same time"
    return f"; the window ends at {datetime.fromtimestamp(int(reset), UTC):%H:%M:%S} UTC"


def _command(case: Case, cause: Cause) -> str:
    if cause is Cause.TOO_SHORT:
        return _renew(case)
    if cause is Cause.NO_CREDENTIALS and case.seen.app is not None and case.seen.app.auth_method.uses_secret:
        return case.again(auth_method=case.seen.app.auth_method.value)
    asks_again = {Cause.RATE_LIMIT, Cause.OUT_OF_ORDER}
    return case.again() if cause in asks_again and case.seen.captured is None and case.seen.asked else ""


def _renew(case: Case) -> str:
    return f"{case.rotate()} --force" if case.rotate() else ""
