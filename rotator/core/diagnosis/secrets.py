"""What may be the matter with the secret itself. Of these checks the first that has something to say is the one.

* The secret is compared with those that the app has, those that Vault had, and what the System Log remembers.
* That a secret never was the app's is said only if nothing else is left: it can be no secret of Okta's, or the log
  knows the whole life of the app, and no deletion in it that may have been of this one.
* Where a comparison is missing, what is left is named as possible, with what would tell.
"""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.diagnosis import advice
from rotator.core.diagnosis.causes import Cause, Doubt, Finding
from rotator.core.diagnosis.signs import BEFORE_THE_SECRET
from rotator.core.disguise import Disguise
from rotator.core.model import AuthMethod, SecretStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.core.diagnosis.case import Case

    Check = Callable[[Case], Finding | Doubt | None]

SOON = timedelta(minutes=15)  # within it a new secret may not have reached every server of Okta's
OF_A_DISGUISE = {
    Disguise.NEWLINE: Cause.NEWLINE,
    Disguise.SPACES: Cause.SPACES,
    Disguise.QUOTES: Cause.QUOTES,
    Disguise.PERCENT: Cause.ENCODED,
    Disguise.BASE64: Cause.ENCODED,
}


def nothing_in_vault(case: Case) -> Finding | None:
    """Consumers find no secret where they read."""
    vault, subject = case.seen.vault, case.seen.subject
    if vault is None or not vault.missing:
        return None
    if vault.deleted:
        remedy = "If it was deleted by mistake, bring it back; else have a secret written there with `rotator adopt`."
        command = case.vault("undelete", versions=str(vault.deleted))
    else:
        remedy = f"Correct `write_to` and `fields` of {subject.target}, or see what would be written there."
        command = shlex.join(["rotator", "plan", str(subject.target)])
    return Finding(Cause.NOTHING_IN_VAULT, vault.missing, remedy, command)


def swapped(case: Case) -> Finding | None:
    """The id stands where the secret should, and the secret where the id should."""
    seen = case.seen
    captured = seen.captured.basic if seen.captured else None
    if case.believed or not (seen.swapped or (captured and captured.swapped)):
        return None
    remedy = "Write the client id where the client id belongs, and the secret after it: `id:secret`."
    if seen.subject.path is None or seen.app is None or seen.subject.secret_file:
        return Finding(Cause.SWAPPED, "what stands in the secret's place is a client id", remedy)
    fields = seen.subject.fields
    evidence = f"`{fields.client_secret}` of {seen.subject.path} holds the client id {seen.app.client_id}"
    remedy = f"Write the id into `{fields.client_id}`; then have the secret written with `rotator adopt`."
    return Finding(Cause.SWAPPED, evidence, remedy, case.vault("patch", f"{fields.client_id}={seen.app.client_id}"))


def older_version(case: Case) -> Finding | None:
    """The application holds what an earlier version of the path held."""
    vault, subject = case.seen.vault, case.seen.subject
    if not case.shows_a_secret or vault is None or not subject.secret_file or not vault.versions:
        return None
    held = [version.number for version in vault.versions if version.same]
    if not held or vault.latest in held:
        return None
    slot = case.same
    now = f", which is {slot.id}, {slot.status.value}" if slot else ""
    evidence = f"{case.holder} is that of {subject.path} version {held[-1]}{now}; the latest is {vault.latest}"
    command = f"{case.vault('get', field=subject.fields.client_secret)} > {shlex.quote(subject.file or '')}"
    return Finding(
        Cause.OLDER_VERSION,
        evidence,
        "Have the application read the latest version, and start again if it reads it only at its start.",
        command if subject.file else "",
    )


def staged(case: Case) -> Finding | None:
    """The application holds a value that waits to be promoted."""
    vault = case.seen.vault
    if not case.shows_a_secret or vault is None or not vault.staged or not case.seen.subject.secret_file:
        return None
    slot = case.same
    known = f"{slot.id}, {slot.status.value}" if slot else "not at Okta yet"
    return Finding(
        Cause.STAGED,
        f"{case.holder} is the one that is staged, {known}",
        "Applications read the path of consumers, never the staging path. Carry the rotation on, then read that.",
        case.rotate(),
    )


def revoked(case: Case) -> Finding | None:
    """The secret is the app's and switched off."""
    slot = case.same
    if not case.shows_a_secret or slot is None or slot.status is SecretStatus.ACTIVE:
        return None
    evidence = f"{case.holder} is {slot.id}, which is INACTIVE since {slot.changed:%Y-%m-%d %H:%M} UTC"
    if case.seen.subject.target and not case.seen.subject.secret_file:
        if not case.rotate():
            return Finding(Cause.REVOKED, evidence, advice.give_another(case), case.adopt(case.active))
        return Finding(Cause.REVOKED, evidence, "Have a new one made and written to Vault.", case.rotate())
    return Finding(Cause.REVOKED, evidence, advice.give_another(case))


def not_yet(case: Case) -> Finding | None:
    """The secret is active, and so new that not every server knows it."""
    slot = case.same
    if not case.about_the_secret or slot is None or case.seen.now - slot.changed > SOON:
        return None
    age = int((case.seen.now - slot.changed).total_seconds())
    return Finding(
        Cause.NOT_YET,
        f"{case.holder} is {slot.id}, ACTIVE for {max(age, 0)} seconds, and refused",
        "Wait a minute and ask again; a change needs time to reach every server of Okta's.",
        case.again(),
    )


def percent(case: Case) -> Finding | None:
    """The secret is active, and has characters that a Basic header may be read to mean others."""
    slot, asked = case.same, case.seen.asked
    basic = asked is not None and asked.method is AuthMethod.BASIC
    if not case.about_the_secret or slot is None or not basic or not case.seen.shape.special:
        return None
    return Finding(
        Cause.PERCENT,
        f"{case.holder} is {slot.id}, ACTIVE, and has a % or a +, which Okta has read as an encoding",
        "Have a secret of letters, digits, - and _ made: every method encodes it alike.",
        f"{case.rotate()} --force" if case.rotate() else "",
    )


def refused_although_active(case: Case) -> Doubt | None:
    """The secret is active, and nothing explains why it is refused."""
    slot = case.same
    if not case.about_the_secret or slot is None:
        return None
    request = case.seen.answer.request_id if case.seen.answer else None
    return Doubt(
        (Cause.OUT_OF_ORDER,),
        f"{case.holder} is {slot.id}, which is ACTIVE, and Okta refuses it all the same",
        f"Ask again in a while; else ask Okta's support, with the request's id {request or 'from the log'}.",
    )


def disguised(case: Case) -> Finding | None:
    """Under what it wears it is one of the app's secrets; or it wears what no secret can."""
    slot = case.disguised
    if not case.shows_a_secret or case.same is not None:
        return None
    if slot is not None and slot.likeness is not None and slot.likeness.disguise is not None:
        evidence = f"{case.holder} is {slot.id}, {slot.status.value},{slot.likeness.words}"
        return Finding(
            OF_A_DISGUISE[slot.likeness.disguise], evidence, advice.plain(case), advice.write_plainly(case, slot)
        )
    if case.seen.shape.newline:
        evidence = f"{case.holder} has a line end or another control character, which no secret of Okta's has"
        return Finding(Cause.NEWLINE, evidence, advice.plain(case), advice.write_plainly(case, case.active))
    return None


def another_apps(case: Case) -> Finding | None:
    """The secret is that of another app."""
    seen = case.seen
    if not case.shows_a_secret or case.same is not None:
        return None
    if seen.neighbour:
        evidence = f"{case.holder} is what the target `{seen.neighbour}` holds"
    elif seen.log and seen.log.used_by:
        evidence = f"the System Log has {', '.join(sorted(seen.log.used_by))} authenticated with {case.holder}"
    else:
        return None
    return Finding(
        Cause.ANOTHER_APPS,
        evidence,
        f"Give the client its own secret. {advice.give_another(case)}",
        case.adopt(case.active),
    )


def deleted(case: Case) -> Finding | None:
    """The secret was the app's, and is gone."""
    seen = case.seen
    if not case.shows_a_secret or not case.can_compare or case.same is not None:
        return None
    listed = {slot.id for slot in case.slots}
    named = [each.names for each in (seen.vault.versions if seen.vault else ()) if each.same and each.names]
    if seen.log and seen.log.deleted:
        evidence = f"the System Log has the deletion of {case.holder}"
    elif seen.vault and seen.vault.made:
        evidence = f"{case.holder} was made by rotator, and Okta lists it no more"
    elif named and named[-1] not in listed:
        evidence = f"{case.holder} is {named[-1]}, as its record says, and Okta lists that no more"
    else:
        return None
    return Finding(Cause.DELETED, evidence, advice.give_another(case), case.adopt(case.active) or case.rotate())


def never_existed(case: Case) -> Finding | None:
    """The secret can be none of Okta's, or never was this app's."""
    seen = case.seen
    if not case.shows_a_secret or case.same is not None:
        return None
    if seen.shape.like_a_client_id:
        evidence = f"{case.holder} is a client id"
    elif seen.shape.impossible:
        evidence = f"{case.holder} is none that Okta could have: those are 14 to 100 printable ASCII characters"
    elif case.can_compare and _whole_life_is_known(case):
        assert seen.app
        evidence = f"in all its life, since {seen.app.created:%Y-%m-%d}, the app has not had {case.holder}"
    else:
        return None
    return Finding(Cause.NEVER_EXISTED, evidence, advice.give_another(case), case.adopt(case.active))


def secret_unknown(case: Case) -> Doubt | None:
    """The secret is none of the app's, or may be none, and nothing tells why."""
    if not case.shows_a_secret or case.same is not None:
        return None
    if case.can_compare:
        return Doubt(
            advice.UNLISTED, f"Okta lists {case.holder} no more, or never did", advice.what_tells_of_the_past(case)
        )
    if not case.about_the_secret and case.sign not in BEFORE_THE_SECRET:
        return None
    return Doubt(advice.likely(case), advice.why_it_is_not_compared(case), advice.what_would_compare(case))


def other_path(case: Case) -> Finding | None:
    """Applications that read another of the target's paths find another secret there, or none."""
    vault, subject = case.seen.vault, case.seen.subject
    if vault is None or not vault.behind:
        return None
    evidence = f"{'; '.join(f'{each.path} {each.holds}' for each in vault.behind)}; {subject.path} leads"
    remedy = "Have what the leading path holds copied there; `rotator plan` says what is in the way, if anything is."
    command = "plan" if subject.observes else "reconcile"
    return Finding(Cause.OTHER_PATH, evidence, remedy, shlex.join(["rotator", command, str(subject.target)]))


SECRET: tuple[Check, ...] = (
    nothing_in_vault,
    swapped,
    older_version,
    staged,
    revoked,
    not_yet,
    percent,
    refused_although_active,
    disguised,
    another_apps,
    deleted,
    never_existed,
    secret_unknown,
)


def _whole_life_is_known(case: Case) -> bool:
    app, log = case.seen.app, case.seen.log
    if app is None or app.created is None or log is None:
        return False
    return log.whole and log.since <= app.created and (log.deletions == 0 or log.comparable)
