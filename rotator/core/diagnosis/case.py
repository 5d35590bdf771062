"""The evidence with what follows from it at once, and the commands that remedies name.

* A command is one of this release, or of `vault` with what it needs, and written so that a shell takes it as it is.
* Nobody's client id is shown unless it looks like one: where id and secret have changed places it is the secret.
"""

from __future__ import annotations

import shlex
from functools import cached_property
from typing import TYPE_CHECKING

from rotator.core.diagnosis.evidence import CLIENT_CREDENTIALS, Sight, origin_of
from rotator.core.diagnosis.signs import ABOUT_THE_SECRET, BELIEVED, KNOWS_THE_CLIENT, Sign, sign_of
from rotator.core.disguise import APP_ID
from rotator.core.model import AuthMethod, SecretStatus

if TYPE_CHECKING:
    from rotator.core.diagnosis.evidence import Evidence, Slot


class Case:
    """One client that is to be diagnosed."""

    def __init__(self, seen: Evidence) -> None:
        """Take the evidence; nothing is asked any more."""
        self.seen = seen
        self.sign = sign_of(seen.answer) if seen.answer else None

    # --- What follows -----------------------------------------------------------------------------------------

    @property
    def believed(self) -> bool:
        """Whether Okta has taken the secret for good."""
        return self.sign in BELIEVED

    @property
    def shows_a_secret(self) -> bool:
        """Whether there is a secret in the request that may be a wrong one."""
        seen = self.seen
        if self.believed or seen.swapped or (seen.vault and seen.vault.missing):
            return False
        if seen.app is not None and not seen.app.auth_method.uses_secret:
            return False
        return seen.asked is None or seen.asked.method is not AuthMethod.NONE

    @property
    def same(self) -> Slot | None:
        """The secret of the app that is the value in question."""
        return next((slot for slot in self.slots if slot.likeness and slot.likeness.disguise is None), None)

    @property
    def disguised(self) -> Slot | None:
        """The secret of the app that the value is a disguise of, an active one first."""
        found = [slot for slot in self.slots if slot.likeness and slot.likeness.disguise is not None]
        return next(iter(sorted(found, key=lambda slot: slot.status is not SecretStatus.ACTIVE)), None)

    @property
    def slots(self) -> tuple[Slot, ...]:
        return self.seen.slots or ()

    @property
    def active(self) -> Slot | None:
        """The newest active secret of the app."""
        active = [slot for slot in self.slots if slot.status is SecretStatus.ACTIVE]
        return max(active, key=lambda slot: slot.created, default=None)

    @property
    def can_compare(self) -> bool:
        """Whether a value that is like none of the app's secrets is none of them."""
        if self.seen.slots is None:
            return False
        versions = self.seen.vault.versions if self.seen.vault else ()
        return any(version.holds for version in versions) or not self.seen.values_hidden

    @property
    def about_the_secret(self) -> bool:
        """Whether Okta's words are about the app's secret, or may be about nothing else."""
        if self.elsewhere or self.other_client:
            return False
        if self.sign is Sign.GENERIC:
            return self.seen.app is not None and not self.other_method and self.seen.app.status == "ACTIVE"
        return self.sign in ABOUT_THE_SECRET

    @property
    def other_client(self) -> bool:
        """Whether another client id was shown than the app's."""
        app, asked = self.seen.app, self.seen.asked
        return app is not None and asked is not None and asked.client_id != app.client_id

    @property
    def other_method(self) -> bool:
        """Whether the request showed itself otherwise than the app is set to."""
        app, asked = self.seen.app, self.seen.asked
        return app is not None and asked is not None and asked.method is not app.auth_method

    @cached_property
    def at_the_org(self) -> bool:
        """Whether a token by client_credentials was asked of the org's own server."""
        asked = self.seen.asked
        return asked is not None and asked.server is None and asked.grant == CLIENT_CREDENTIALS

    @property
    def elsewhere(self) -> bool:
        """Whether another org was asked than the one that shows the app; one that knows the client is none."""
        seen = self.seen
        if seen.sight is not Sight.SEEN or seen.asked is None or seen.subject.org_url is None:
            return False
        other_address = origin_of(seen.asked.issuer) != origin_of(seen.subject.org_url)
        return other_address and self.sign not in KNOWS_THE_CLIENT

    # --- Words ------------------------------------------------------------------------------------------------

    @property
    def said(self) -> str:
        """What Okta answered, in its own words as far as they may be shown."""
        answer = self.seen.answer
        if answer is None or self.sign is None:
            return self.seen.unsent
        if self.seen.captured is not None:  # what others captured is judged, never shown again
            return f"{answer.status}: {self.sign.value}" if answer.status else self.sign.value
        if answer.lost:
            return answer.lost
        if not answer.error:
            return f"{answer.status}: {self.sign.value}"
        return ": ".join(filter(None, [f"{answer.status} {answer.error}", answer.description]))

    @property
    def holder(self) -> str:
        """Where the value in question was found."""
        subject, vault = self.seen.subject, self.seen.vault
        if subject.secret_file:
            return f"the secret in {subject.secret_file}" if subject.file else "the secret from stdin"
        if subject.path and vault:
            return f"the secret in {subject.path} version {vault.latest}"
        return "the secret that was shown"

    @property
    def console(self) -> str:
        """Where in Okta's admin console the app is."""
        app = self.seen.app
        label = f"{app.label} ({app.id})" if app else "the app"
        return f"Okta admin console, Applications, {label}"

    @property
    def right_issuer(self) -> str | None:
        """The issuer that the client should ask, as far as it is known."""
        subject, asked = self.seen.subject, self.seen.asked
        if subject.org_url is None:
            return None
        server = subject.server or (asked.server if asked else None)
        return f"{subject.org_url}/oauth2/{server}" if server else subject.org_url

    # --- Commands ---------------------------------------------------------------------------------------------

    def again(self, **changes: str) -> str:
        """Return the doctor's own command with other options, to see whether that mends it."""
        subject = self.seen.subject
        typed = {name: self._showable(name, text) for name, text in subject.options}
        options = typed | {f"--{name.replace('_', '-')}": value for name, value in changes.items()}
        words = ["rotator", "doctor", *([subject.target] if subject.target else [])]
        return shlex.join([*words, *(word for option in options.items() for word in option)])

    def _showable(self, option: str, text: str) -> str:
        """Return what was typed; `ID` for a client id that does not look like one, for it may be the secret."""
        return "ID" if option == "--client-id" and not self.is_an_id(text) else text

    def is_an_id(self, text: str) -> bool:
        """Whether a text may be shown as a client id."""
        app = self.seen.app
        return APP_ID.fullmatch(text) is not None or (app is not None and text in {app.client_id, app.id})

    def adopt(self, slot: Slot | None) -> str:
        """Return the command that has a secret of Okta's written where consumers read."""
        target = self.seen.subject.target
        if target is None or self.seen.subject.secret_file:
            return ""
        if slot is None or slot.status is not SecretStatus.ACTIVE or self.seen.values_hidden:
            return shlex.join(["rotator", "plan", target])
        return shlex.join(["rotator", "adopt", target, "--secret", slot.id, "--yes"])

    def rotate(self) -> str:
        """Return the command that makes a new secret, or goes on with one that is under way, if policy lets it."""
        subject = self.seen.subject
        return shlex.join(["rotator", "rotate", subject.target]) if subject.target and not subject.observes else ""

    def vault(self, verb: str, *words: str, **flags: str) -> str:
        """Return a command of Vault's own about the path."""
        path = self.seen.subject.path
        if path is None:
            return ""
        given = [f"-{name}={value}" for name, value in {"mount": path.mount, **flags}.items()]
        return shlex.join(["vault", "kv", *verb.split(), *given, path.path, *words])


def shown_id(client_id: str, case: Case) -> str:
    """Return a client id as far as it may be shown."""
    bare = client_id.strip()
    if not case.is_an_id(bare):
        return "one that does not look like a client id, and is not shown" if bare else "nobody"
    return bare if bare == client_id else f"{bare} with white space around it"
