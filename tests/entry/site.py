"""A sandbox, a configuration that leads to it, and the real command run against it."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.app.reconcile import reconcile
from rotator.cli.main import main
from rotator.cli.report import report
from rotator.cli.session import open_state_for_a_command
from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta_console import GivenSecret
from rotator.settings import load
from rotator.wiring import open_worlds
from rotator.wiring_state import open_state
from tests.app.small_world import Told
from tests.fakes.state import admit

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pytest

    from rotator.cli.report import Report
    from rotator.sandbox.okta_state import ClientSecret, OktaApp
    from rotator.sandbox.world import Sandbox

ROOT = "root"
SCOPE = "billing.read"
PLENTY = {"apps": 100_000, "app": 100_000, "logs": 100_000, "token:default": 100_000}  # calls a minute
APPS = Wanted(bucket="apps")
TOKEN_CALLS = Wanted(path="/oauth2/*")
WRITES = Wanted(service="vault", kind="kv.write")
EXPIRED = timedelta(days=100)
STAGING = "rotator/staging"
PASSES = "passes@site"  # who makes those of `Site.reconcile`, for the audit


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document

    def target(self, number: int = 0) -> dict[str, Any]:
        one: dict[str, Any] = self.json()["targets"][number]
        return one

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{")]


@dataclass
class Site:
    """The place where a command runs. Add targets, then run."""

    box: Sandbox
    folder: Path
    capsys: pytest.CaptureFixture[str] | None = None
    okta_url: str = ""
    vault_url: str = ""
    okta_auth: dict[str, str] = field(default_factory=lambda: {"method": "ssws", "token_file": "okta-token"})
    vault_auth: dict[str, str] = field(default_factory=lambda: {"method": "token", "token_file": "vault-token"})
    ca_file: str | None = None
    policy: str = "{mode: auto}"
    answer_within: str = "5s"
    propagation: str = "5s"
    targets: dict[str, dict[str, Any]] = field(default_factory=dict)
    selections: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)  # other sections

    def __post_init__(self) -> None:
        self.box.okta.add_authorization_server("default", scopes=[SCOPE], default_scopes=[SCOPE])
        self.api_token = self.box.okta.add_api_token()
        for name, secret in (("okta-token", self.api_token), ("vault-token", ROOT)):
            file = self.folder / name
            file.write_text(secret)
            file.chmod(0o600)

    # --- What there is ----------------------------------------------------------------------------------------

    def add(
        self,
        name: str = "billing",
        *,
        age: timedelta = EXPIRED,
        in_vault: bool = True,
        policy: str = "default",
        verify: dict[str, str] | None = None,
        older: Sequence[str] = (),
        bare: bool = False,
        **traits: Any,
    ) -> OktaApp:
        """Add an app with a secret of that age (`bare`: with none), its path in Vault, and a target for both."""
        others = [GivenSecret(value, age=age + timedelta(days=1)) for value in older]
        secrets = [] if bare else [*others, GivenSecret(age=age)]
        app = self.box.okta.add_app(name, secrets=secrets, **traits)
        if in_vault:
            fields = {"client_id": app.client_id, "client_secret": app.secrets[-1].value, "note": "theirs"}
            self.box.vault.put("secret", f"{name}/okta", fields)
        self.targets[name] = {
            "app_id": app.id,
            "policy": policy,
            "verify": {"authorization_server": "default", "scope": SCOPE} if verify is None else verify,
            "write_to": [{"mount": "secret", "path": f"{name}/okta"}],
        }
        return app

    def fields(self, name: str = "billing") -> dict[str, Any]:
        """Return what consumers read."""
        return self.box.vault.read("secret", f"{name}/okta") or {}

    def holder(self, app: OktaApp, name: str = "billing") -> ClientSecret | None:
        """Return the secret whose value consumers read."""
        value = self.fields(name).get("client_secret")
        return next((secret for secret in app.secrets if secret.value == value), None)

    def works(self, app: OktaApp, name: str = "billing") -> bool:
        """Say whether Okta takes what consumers read."""
        return self.fields(name).get("client_secret") in set(app.accepted(self.box.clock.now()))

    def staged(self, app: OktaApp) -> dict[str, Any]:
        """Return the staging record."""
        return self.box.vault.read("secret", f"{STAGING}/127.0.0.1/{app.id}") or {}

    async def reconcile(self) -> Report:
        """Make a pass by the sandbox's clock on both sides, and return what came of the only target."""
        settings, clock, leases_in = load(self.config), self.box.clock, self.folder / "leases"
        async with AsyncExitStack() as around:
            opening = open_state(settings, decide=admit, owner=PASSES, clock=clock, leases_in=leases_in)
            state = await around.enter_async_context(opening) if settings.state.named else None
            worlds = await around.enter_async_context(
                open_worlds(settings, progress=Told(), warn=print, clock=clock, leases_in=leases_in, state=state)
            )
            (outcome,) = await reconcile(settings.targets, worlds.of)
        return report(outcome, self.box.clock.now())

    def release(self) -> None:
        """Have a state database whose brake a person has released, as one that has been there for long."""

        async def open_and_release() -> None:
            async with open_state_for_a_command(load(self.config)) as state:
                await state.brakes.release("the tests", self.box.clock.now())

        asyncio.run(open_and_release())

    @property
    def database(self) -> Path:
        """Where the state lies unless the configuration names another place."""
        return self.folder / "state" / "rotator" / "database" / "state.db"

    # --- The command ------------------------------------------------------------------------------------------

    @property
    def config(self) -> Path:
        """Write the configuration, as JSON, which YAML is a superset of."""
        file = self.folder / "config.yaml"
        within = {"answer_within": self.answer_within, "ca_file": self.ca_file}
        document = {
            "okta": {
                "acme": {
                    "org_url": self.okta_url or self.box.okta_url,
                    "auth": self.okta_auth,
                    "propagation": self.propagation,
                    **within,
                }
            },
            "vaults": {
                "main": {
                    "address": self.vault_url or self.box.vault_url,
                    "auth": self.vault_auth,
                    "staging": {"mount": "secret", "prefix": STAGING},
                    **within,
                }
            },
            "policies": {"default": "POLICY", "observing": {"mode": "observe"}, "manual": {"mode": "manual"}},
            "targets": self.targets,
            "selections": self.selections,
            **self.extra,
        }
        file.write_text(json.dumps(document).replace('"POLICY"', self.policy))
        file.chmod(0o600)
        return file

    def argv(self, *args: str) -> list[str]:
        command, *rest = args
        return [command, "--config", str(self.config), *rest]

    def run(self, *args: str) -> Ran:
        """Run the command in this process."""
        return self.run_bare(*self.argv(*args))

    def run_bare(self, *args: str) -> Ran:
        """Run the command without a configuration."""
        assert self.capsys
        self.capsys.readouterr()
        code = main(list(args))
        said = self.capsys.readouterr()
        return Ran(code, said.out, said.err)

    def secrets_in(self, text: str) -> list[str]:
        """Return whatever is secret here and stands in a text."""
        values = {secret.value for app in self.box.okta.org.apps.values() for secret in app.secrets}
        return [value for value in {*values, self.api_token} if value in text]
