"""A client in the state that a case describes: at the sandbox's Okta and Vault, reached over HTTP."""

from __future__ import annotations

import base64
import re
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import requests
import yaml

from rotator.sandbox.journal import Wanted
from rotator.sandbox.okta import OktaEmulator
from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_state import AccessPolicy, AdminRole
from tests.entry.site import SCOPE, STAGING, Site

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.sandbox.okta_state import OktaApp
    from tests.entry.site import Ran

CASES = Path(__file__).parent / "cases"
UNITS = {"h": 3600, "d": 86400}
TOKEN_REQUESTS = Wanted(service="okta", method="POST", path="*/v1/token")
WITH_A_SECRET = Wanted(service="okta", method="POST", path="/oauth2/*")
DISCOVERY = "/.well-known/"
DRESSES: dict[str, Callable[[str], str]] = {
    "newline": lambda text: f"{text}\n",
    "spaces": lambda text: f" {text}  ",
    "quotes": lambda text: f'"{text}"',
    "percent": lambda text: quote(text, safe=""),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "short": lambda text: text[:9],
}


def cases(name: str) -> list[dict[str, Any]]:
    """Return the cases of a file."""
    loaded: list[dict[str, Any]] = yaml.safe_load((CASES / f"{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def each_way(name: str) -> list[tuple[str, dict[str, Any]]]:
    """Return the cases with a name for each, and with every switch that they name."""
    found = []
    for case in cases(name):
        found.append((case["case"], case))
        for way in case.get("either", ()):
            switch = ", ".join(f"{key}={value}" for key, value in way["set"].items())
            found.append((f"{case['case']} ({switch})", {**case, **way}))
    return found


def span(text: str | timedelta) -> timedelta:
    """Read `30d` or `-2h`."""
    return text if isinstance(text, timedelta) else timedelta(seconds=int(text[:-1]) * UNITS[text[-1]])


@dataclass
class Ward:
    """Where one client lies. `app` is the client's."""

    site: Site
    case: dict[str, Any]
    values: dict[str, str] = field(
        default_factory=lambda: {"nobodys": "Nobody-s_secret0123456789012345678901234567890"}
    )
    ids: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.box, self.okta, self.vault = self.site.box, self.site.box.okta, self.site.box.vault
        self.other = self.box.serve("other", self._other_org())
        for name, value in self.case.get("set", {}).items():
            self.okta.settings.switch(name, value)
        self.app = self._client()
        for step in self.case.get("world", ()):
            verb, told = (step, None) if isinstance(step, str) else next(iter(step.items()))
            getattr(self, f"_{verb}")(told)

    # --- What there is ----------------------------------------------------------------------------------------

    def _other_org(self) -> OktaEmulator:
        org = OktaEmulator(self.box.clock)
        org.add_authorization_server("default", scopes=[SCOPE], default_scopes=[SCOPE])
        self.other_token = org.add_api_token()
        return org

    def _client(self) -> OktaApp:
        traits = dict(self.case.get("app", {}))
        secret, age = traits.pop("secret", None), span(traits.pop("age", "30d"))
        app = self.okta.add_app("billing", secrets=[GivenSecret(secret, age=age)], age=age, **traits)
        self.values["first"], self.ids["first"] = app.secrets[0].value, app.secrets[0].id
        self.vault.put("secret", "billing/okta", {"client_id": app.client_id, "client_secret": app.secrets[0].value})
        self._configure("billing", app, self.case.get("verify", {"authorization_server": "default", "scope": SCOPE}))
        return app

    def _configure(self, name: str, app: OktaApp, verify: dict[str, str]) -> None:
        place = {"mount": "secret", "path": f"{name}/okta"}
        self.site.targets[name] = {"app_id": app.id, "policy": "default", "verify": verify, "write_to": [place]}

    def text(self, written: str) -> str:
        """Return what stands for a value, or for an id: a name, and what became of it."""
        name, *dresses = written.split("|")
        if name == "{client}":
            text = self.app.client_id
        elif name == "portals_client":
            text = self.portal.client_id
        else:
            text = self.values.get(name, name)
        for dress in dresses:
            text = DRESSES[dress](text)
        return text

    # --- What happened ----------------------------------------------------------------------------------------

    def _add(self, name: str) -> None:
        made = self.okta.add_secret_by_admin(self.app)
        self.values[name], self.ids[name] = made.value, made.id

    def _revoke(self, name: str) -> None:
        self.okta.revoke(self.app, self.ids[name])

    def _delete(self, name: str) -> None:
        self.okta.delete_secret_by_admin(self.app, self.ids[name])

    def _vault(self, fields: dict[str, str]) -> None:
        ids = {name: self.ids[text] for name, text in fields.items() if name == "client_secret_id"}
        rest = {name: self.text(text) for name, text in fields.items() if name not in ids}
        before = self.vault.read("secret", "billing/okta") or {}
        self.vault.put("secret", "billing/okta", before | rest | ids)

    def _vault_whole(self, fields: dict[str, str]) -> None:
        self.vault.put("secret", "billing/okta", {name: self.text(text) for name, text in fields.items()})

    def _elsewhere(self, fields: dict[str, str]) -> None:
        """Give the target another path, and write that there; nothing if there are no fields."""
        self.site.targets["billing"]["write_to"].append({"mount": "secret", "path": "reports/okta"})
        if fields:
            self.vault.put("secret", "reports/okta", {name: self.text(text) for name, text in fields.items()})

    def _delete_path(self, _: str) -> None:
        self.vault.delete("secret", "billing/okta")

    def _stage(self, name: str) -> None:
        now = self.box.clock.now().isoformat()
        record = {"state": "staged", "client_secret": self.values[name], "staged_at": now, "base_version": "1"}
        self.vault.put("secret", f"{STAGING}/127.0.0.1/{self.app.id}", record)

    def _app(self, name: str) -> None:
        self.portal = self.okta.add_app(name)
        self.values["portals"] = self.portal.secrets[0].value

    def _target(self, name: str) -> None:
        self._app(name)
        fields = {"client_id": self.portal.client_id, "client_secret": self.values["portals"]}
        self.vault.put("secret", f"{name}/okta", fields)
        self._configure(name, self.portal, {"authorization_server": "default", "scope": SCOPE})

    def _token(self, _: str) -> None:
        self.ask(self.portal.client_id, self.values["portals"], "client_secret_basic")

    def _consumer(self, how: dict[str, str]) -> None:
        self.ask(self.app.client_id, self.text(how["value"]), how["method"])

    def _role(self, rights: dict[str, Any]) -> None:
        given: dict[str, Any] = {name: frozenset(what) if name == "apps" else what for name, what in rights.items()}
        self.okta.org.api_tokens[self.site.api_token].role = AdminRole(**given)

    def _no_login(self, _: bool) -> None:
        self.okta.revoke_api_token(self.site.api_token)

    def _policy(self, policy: str) -> None:
        self.site.targets["billing"]["policy"] = policy

    def _deactivate_app(self, _: None) -> None:
        self.okta.deactivate_app_by_admin(self.app)

    def _method(self, method: str) -> None:
        self.okta.set_auth_method_by_admin(self.app, method)

    def _server(self, how: dict[str, Any]) -> None:
        clients = how.get("clients")
        policy = AccessPolicy(clients=None if clients is None else frozenset(clients))
        self.okta.add_authorization_server(how["id"], scopes=how["scopes"], policies=[policy])

    def _unlicensed(self, _: bool) -> None:
        self.okta.settings.api_access_management = False

    def _set(self, switches: dict[str, Any]) -> None:
        for name, value in switches.items():
            self.okta.settings.switch(name, value)

    def _refuse(self, reason: str) -> None:
        self.okta.refuse_tokens(reason, times=20)

    def _advance(self, by: str) -> None:
        self.okta.settings.api_token_idle_life = None
        self.box.clock.advance(span(by))

    def _custom_domain(self, address: str) -> None:
        server = f"{address}/oauth2/default"
        body = {"issuer": server, "token_endpoint": f"{server}/v1/token"}
        self.box.faults.answer(200, Wanted(path=f"*{DISCOVERY}*"), body=body, times=None)

    def _html(self, how: dict[str, Any]) -> None:
        self.box.faults.html(Wanted(service="okta", path=how["path"]), status=how["status"], times=None)

    def _answer(self, how: dict[str, Any]) -> None:
        wanted = Wanted(service="okta", path=how["path"])
        self.box.faults.answer(how["status"], wanted, body=how["body"], times=None)

    def _drop(self, path: str) -> None:
        self.box.faults.drop(Wanted(service="okta", path=path), when="before", times=None)

    def ask(self, client_id: str, value: str, method: str) -> None:
        """Ask for a token as an application does, with a program of its own."""
        form, headers = {"grant_type": "client_credentials", "scope": SCOPE}, {"User-Agent": "billing-job/2.1"}
        if method == "client_secret_basic":
            pair = base64.b64encode(f"{client_id}:{value}".encode()).decode()
            headers["Authorization"] = f"Basic {pair}"
        else:
            form |= {"client_id": client_id, "client_secret": value}
        requests.post(f"{self.box.okta_url}/oauth2/default/v1/token", form, headers=headers, timeout=5)

    # --- The visit --------------------------------------------------------------------------------------------

    @property
    def file(self) -> Path:
        """Write the secret that the application has into a file, byte for byte."""
        path = self.site.folder / "application-secret"
        path.write_bytes(self.text(self.case.get("file", "first")).encode())
        return path

    def typed(self) -> list[str]:
        """Return what is typed."""
        usual = ["--client-id", "{client}", "--issuer", "{org}/oauth2/default", "--secret-file", "{file}"]
        bare = "configuration" in self.case.get("without", ())
        words = self.case.get("doctor") or ([*usual, "--scope", SCOPE] if bare else ["billing"])
        return [self.real(word) for word in words]

    def real(self, text: str) -> str:
        """Put what there is in place of what stands for it."""
        typo = self.app.client_id[:-1] + ("x" if self.app.client_id[-1] != "x" else "y")
        meant = {
            "{org}": self.box.okta_url,
            "{other}": self.other,
            "{client}": self.app.client_id,
            "{typo}": typo,
        }
        for shown, put in meant.items():
            text = text.replace(shown, put)
        return text.replace("{file}", str(self.file)) if "{file}" in text else text

    def visit(self, *more: str) -> Visit:
        """Let the doctor look, and count what that took."""
        if self.case.get("config", {}).get("orgs") == 2:
            self._two_orgs()
        argv = ["doctor", *self.typed(), *more]
        # Of the processor, ours and the sandbox's: unlike time on the wall it does not depend on what else is running.
        mark, begun = self.box.journal.mark(), time.process_time()
        bare = "configuration" in self.case.get("without", ())
        ran = self.site.run_bare(*argv) if bare else self.site.run(*argv)
        return Visit(ran, self, mark, time.process_time() - begun)

    def _two_orgs(self) -> None:
        token = self.site.folder / "other-token"
        token.write_text(self.other_token)
        token.chmod(0o600)
        for target in self.site.targets.values():
            target["org"] = "acme"
        login = {"method": "ssws", "token_file": "okta-token"}
        self.site.extra["okta"] = {
            "acme": {"org_url": self.box.okta_url, "auth": login},
            "other": {"org_url": self.other, "auth": {"method": "ssws", "token_file": "other-token"}},
        }


@dataclass
class Visit:
    """What the doctor said, and what it took."""

    ran: Ran
    ward: Ward
    mark: int
    seconds: float

    @property
    def client(self) -> dict[str, Any]:
        one: dict[str, Any] = self.ran.json()["client"]
        return one

    @property
    def causes(self) -> set[str]:
        return {cause["cause"] for cause in self.client["causes"]}

    @property
    def commands(self) -> list[str]:
        return [cause["command"] for cause in self.client["causes"] if cause["command"]]

    def calls(self) -> int:
        """Count the calls to any Okta but for discovery documents, which are free."""
        calls = [*self.ward.box.journal.calls(since=self.mark)]
        return sum(call.service != "vault" and DISCOVERY not in call.path for call in calls)

    def refused(self) -> int:
        """Count the requests with the client's secret that were refused as such."""
        calls = [*self.ward.box.journal.calls(since=self.mark)]
        return sum(bool(re.search(r"/v1/(token|introspect)$", call.path)) and call.status != 200 for call in calls)

    def secrets(self) -> list[str]:
        """Return whatever is secret and stands in what was printed."""
        printed = self.ran.out + self.ran.err
        told = {*self.ward.values.values(), self.ward.other_token}
        return [value for value in told if value in printed] + self.ward.site.secrets_in(printed)
