"""What to do about a secret that is not the right one, in words and as a command. Nothing is decided here."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rotator.core.diagnosis.causes import Cause
from rotator.core.diagnosis.evidence import Sight
from rotator.core.diagnosis.signs import Sign

if TYPE_CHECKING:
    from rotator.core.diagnosis.case import Case
    from rotator.core.diagnosis.evidence import Slot

UNLISTED = (Cause.DELETED, Cause.ANOTHER_APPS, Cause.NEVER_EXISTED)
ASK_OKTA = "Ask Okta: `rotator doctor TARGET`, or with `--client-id`, `--issuer` and `--secret-file`."
ANY = (Cause.REVOKED, *UNLISTED, Cause.SPACES, Cause.QUOTES, Cause.ENCODED)


def give_another(case: Case) -> str:
    """Say which secret is to be used instead."""
    if case.seen.subject.target and not case.seen.subject.secret_file:
        return "Have one that is active written to Vault."
    if case.active:
        return f"Give the application {case.active.id}, which is ACTIVE: {case.console}, General, Client Credentials."
    return f"Make a new one: {case.console}, General, Client Credentials, and give it to the application."


def plain(case: Case) -> str:
    """Say how a secret is written so that nothing is added to it."""
    if case.seen.subject.secret_file or case.seen.subject.target is None:
        return "Write the secret without it: `printf %s`, not `echo`; no quotes, no encoding of its own."
    return "Have the secret itself written to Vault."


def write_plainly(case: Case, slot: Slot | None) -> str:
    """Return the command that writes the secret as it is."""
    subject = case.seen.subject
    if not subject.secret_file and case.seen.shape.newline and case.seen.values_hidden and subject.path:
        name = subject.fields.client_secret
        return f"{case.vault('get', field=name)} | tr -d '\\r\\n' | {case.vault('patch', f'{name}=-')}"
    if not subject.secret_file:
        return case.adopt(slot)
    if case.seen.shape.newline and subject.file:
        quoted = shlex.quote(subject.file)
        return f'printf %s "$(cat {quoted})" > {quoted}.new && mv {quoted}.new {quoted}'
    return ""


def likely(case: Case) -> tuple[Cause, ...]:
    """Return what it may be, what the value looks like first."""
    shape, looks = case.seen.shape, []
    if shape.quoted:
        looks.append(Cause.QUOTES)
    if shape.edges:
        looks.append(Cause.SPACES)
    if shape.escapes:
        captured = case.seen.captured
        looks.append(Cause.PERCENT if captured and captured.basic else Cause.ENCODED)
    rest = [cause for cause in ANY if cause not in looks]
    if case.sign is Sign.VAGUE and case.seen.app is None:
        rest += [Cause.WRONG_METHOD, Cause.WRONG_CLIENT_ID, Cause.APP_INACTIVE]
    return (*looks, *rest)


def what_tells_of_the_past(case: Case) -> str:
    """Say what would tell a secret that is gone from one that never was."""
    if case.seen.log_refused:
        return f"Let our role read the System Log (`okta.logs.read`, Report Administrator): {case.seen.log_refused}."
    metadata = case.vault("metadata get")
    asks = f" `{metadata}` tells when it was written." if metadata else ""
    return f"The System Log does not tell: it goes back 90 days. Ask who put the value there.{asks}"


def why_it_is_not_compared(case: Case) -> str:
    """Say why nobody knows which of the app's secrets it is."""
    seen = case.seen
    if seen.okta_said:
        return f"{case.said}; which secrets the app has is not known: {seen.okta_said}"
    match seen.sight:
        case Sight.UNSEEN:
            return f"{case.said}; which secrets the app has is not known: Okta does not show us the app"
        case Sight.SEEN if seen.slots is not None:
            return f"{case.said}; Okta hides the values, and {case.holder} fits none of their hashes"
    return f"{case.said}; which secrets the app has is not known from outside"


def what_would_compare(case: Case) -> str:
    """Say what would let the secret be compared."""
    if case.seen.captured is not None:
        return ASK_OKTA
    if case.seen.okta_said:
        return "Mend our own access to Okta's management API first."
    match case.seen.sight:
        case Sight.UNSEEN:
            return "Put the app into the resource set of our admin role, and check `app_id`."
        case Sight.SEEN:
            return "Give our role the permission to view client credentials (`okta.apps.clientCredentials.read`)."
    return "Run it with a configuration (`--config`) that has this org, so that the app's secrets can be looked at."
