"""How the demo's apps ended, beside how they should have: by the rotator's words, and by what is there.

Nothing in here is secret: of a value there are its length and its hash, of a token there is how long it is good for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rotator.cli.report import as_json
from rotator.cli.results import Result
from rotator.core.actions import Deactivate, Delete, Rest
from rotator.sandbox.furnish import MOUNT
from rotator.sandbox.scenes import OVERLAPPING, RETIRED, SCOPE

if TYPE_CHECKING:
    from rotator.cli.demo_site import Site
    from rotator.cli.report import Report
    from rotator.core.model import Proof
    from rotator.sandbox.consumer import Credentials, Granted
    from rotator.sandbox.furnish import Tenant


@dataclass(frozen=True, slots=True)
class Ending:
    """How one app ended; `surprises` has a line for each thing that is not as it should be."""

    situation: str
    report: Report
    surprises: tuple[str, ...]

    @property
    def name(self) -> str:
        return self.report.target.name

    @property
    def as_it_should_be(self) -> bool:
        return not self.surprises

    @property
    def done(self) -> str:
        """Return in a few words what was done."""
        result: str = self.report.result.value
        if self.report.result is not Result.CARRIED_ON:
            return result
        acts = {type(step.action) for step in self.report.steps}
        return "old one switched off" if Deactivate in acts else "old one deleted" if Delete in acts else result

    @property
    def proof(self) -> Proof | None:
        return self.report.outcome.proof if self.report.outcome else None

    @property
    def rest(self) -> Rest | None:
        """Return what it waits for, if it is at rest."""
        ending = self.report.outcome.ending if self.report.outcome else None
        return ending if isinstance(ending, Rest) else None

    @property
    def ordered(self) -> bool:
        """Say whether a new secret is ordered already."""
        seen = self.report.outcome.seen if self.report.outcome else None
        return seen is not None and seen.staging.order is not None

    def as_json(self) -> dict[str, Any]:
        return {**as_json(self.report), "situation": self.situation, "surprises": list(self.surprises)}


def ending_of(report: Report, site: Site) -> Ending:
    """Compare what came of an app with what its scene says."""
    tenant = site.tenants[report.target.name]
    told, expected = as_json(report), tenant.scene.expected
    compared = [
        ("the result", expected.result, told["result"]),
        ("the proof", expected.proof, told["proof"] and told["proof"]["level"]),
        ("the block", expected.block, told["block"]),
        ("its secrets at Okta", expected.slots, tuple(secret.status for secret in tenant.app.secrets)),
        ("whether Okta takes what is in Vault", expected.works, _works(tenant, site)),
    ]
    surprises = tuple(f"{what}: expected {want}, found {have}" for what, want, have in compared if want != have)
    return Ending(tenant.scene.says, report, surprises)


def _works(tenant: Tenant, site: Site) -> bool:
    read = site.box.vault.read(MOUNT, tenant.scene.path) or {}
    accepted = set(tenant.app.accepted(site.box.clock.now()))
    return tenant.app.status == "ACTIVE" and read.get("client_secret") in accepted


@dataclass(frozen=True, slots=True)
class Tried:
    """What an application got for one version of its path."""

    name: str
    which: str  # "now" in Vault, in its "overlap", or "retired"
    read: Credentials | None
    granted: Granted | None

    @property
    def as_it_should_be(self) -> bool:
        if self.granted is None:
            return False
        return self.granted.error == "invalid_client" if self.which == "retired" else self.granted.token

    @property
    def answer(self) -> str:
        if self.granted is None:
            return "nothing to read"
        if self.granted.token:
            return f"token for {self.granted.expires_in} s"
        return f"{self.granted.status} {self.granted.error}"

    def as_json(self) -> dict[str, Any]:
        return {
            "target": self.name,
            "which": self.which,
            "vault_version": self.read.version if self.read else None,
            "length": len(self.read.client_secret) if self.read else None,
            "secret_hash": self.read.hash if self.read else None,
            "status": self.granted.status if self.granted else None,
            "error": self.granted.error if self.granted else None,
            "expires_in": self.granted.expires_in if self.granted else None,
            "as_it_should_be": self.as_it_should_be,
        }


def findings_of_consumers(site: Site) -> list[Tried]:
    """Do what applications do: with what is in Vault now, with an old value in its overlap, with a retired one."""
    return [
        _tried(site, OVERLAPPING, "now", None),
        _tried(site, OVERLAPPING, "overlap", 1),
        _tried(site, RETIRED, "now", None),
        _tried(site, RETIRED, "retired", 1),
    ]


def _tried(site: Site, name: str, which: str, version: int | None) -> Tried:
    with site.consumer_of(name) as consumer:
        read = consumer.read(version)
        return Tried(name, which, read, consumer.ask(read, SCOPE) if read else None)
