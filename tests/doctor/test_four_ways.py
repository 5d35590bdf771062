"""A new user breaks a client in each of the four ways of Okta's article, and does what the doctor prints.

1. A wrong client id or secret. 2. The wrong client authentication method. 3. /authorize and /token on different
tenants. 4. A secret that expired or was revoked.

An application reads Vault, or a file, and asks with what it is set to. Printed commands are run as they stand; a
command of the doctor itself shows how the application should be set, and is set so.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
import requests

from rotator.sandbox.consumer import Consumer
from tests.doctor.ward import Ward
from tests.entry.site import ROOT, SCOPE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.entry.site import Ran, Site

MOST_VISITS = 4


@dataclass
class Application:
    """One that asks for tokens. `options` are what it is set to, in the doctor's words."""

    ward: Ward
    options: dict[str, str] = field(default_factory=dict)

    def gets_a_token(self) -> bool:
        """Ask, with whatever it reads now."""
        ward = self.ward
        issuer = self.options.get("--issuer", f"{ward.box.okta_url}/oauth2/default")
        place = {"vault_url": ward.box.vault_url, "vault_token": ROOT, "mount": "secret", "path": "billing/okta"}
        with Consumer(**place, token_url=f"{issuer}/v1/token") as consumer:
            held = consumer.read()
            assert held
            secret = self._file.read_bytes().decode() if "--secret-file" in self.options else held.client_secret
            if self.options.get("--auth-method") == "client_secret_post":
                return _posted(f"{issuer}/v1/token", held.client_id, secret)
            return consumer.ask(type(held)(held.version, held.client_id, secret), SCOPE).token

    @property
    def _file(self) -> Path:
        return self.ward.site.folder / "application-secret"

    def visit(self) -> Ran:
        """Let the doctor look at it as it is set."""
        told = [word for option in self.options.items() for word in option]
        return self.ward.site.run("doctor", "billing", *told, "--output", "json")

    def do(self, command: str) -> None:
        """Run a printed command, as a shell would."""
        match words := shlex.split(command):
            case ["rotator", "doctor", "billing", *told]:
                options = dict(zip(told[::2], told[1::2], strict=True))
                self.options = options
            case ["rotator", *argv]:
                ran = self.ward.site.run(*argv)
                assert ran.code == 0, (command, ran.out, ran.err)
            case ["vault", "kv", verb, *rest]:
                self._vault(verb, rest)
            case _:
                raise AssertionError(f"nobody knows how to run {words}")

    def _vault(self, verb: str, rest: list[str]) -> None:
        flags = dict(word.lstrip("-").split("=", 1) for word in rest if word.startswith("-"))
        path, *words = [word for word in rest if not word.startswith("-")]
        vault, mount = self.ward.vault, flags["mount"]
        match verb:
            case "patch":
                before = vault.read(mount, path) or {}
                vault.put(mount, path, before | dict(word.split("=", 1) for word in words))
            case "undelete":
                vault.undelete(mount, path, int(flags["versions"]))
            case "get":
                into, file = words
                assert (into, file) == (">", str(self._file))
                self._file.write_text((vault.read(mount, path) or {})[flags["field"]])
            case _:
                raise AssertionError(f"`vault kv {verb}` is not played here")


def _posted(url: str, client_id: str, secret: str) -> bool:
    form = {"grant_type": "client_credentials", "scope": SCOPE, "client_id": client_id, "client_secret": secret}
    return requests.post(url, form, timeout=5).status_code == 200


WAYS: dict[str, tuple[dict[str, Any], dict[str, str]]] = {
    "1, a wrong client id": ({"world": [{"vault": {"client_id": "0oaNobody00000000000"}}]}, {}),
    "1, a wrong secret": ({"world": [{"vault": {"client_secret": "nobodys"}}]}, {}),
    "1, a secret with a newline": ({"world": [{"vault": {"client_secret": "first|newline"}}]}, {}),
    "1, a secret with quotes": ({"world": [{"vault": {"client_secret": "first|quotes"}}]}, {}),
    "1, id and secret swapped": (
        {"world": [{"vault_whole": {"client_id": "first", "client_secret": "{client}"}}]},
        {},
    ),
    "2, form fields instead of a header": ({}, {"--auth-method": "client_secret_post"}),
    "3, two tenants": (
        {},
        {"--issuer": "{other}/oauth2/default", "--authorize": "{org}/oauth2/default/v1/authorize"},
    ),
    "3, the org's own server": ({}, {"--issuer": "{org}"}),
    "3, a slash at the end of the issuer": ({}, {"--issuer": "{org}/oauth2/default/"}),
    "4, a secret that was revoked": ({"world": [{"add": "second"}, {"revoke": "first"}]}, {}),
    "4, a secret that was revoked where nothing may be rotated": (
        {"world": [{"add": "second"}, {"revoke": "first"}, {"policy": "observing"}]},
        {},
    ),
    "4, a secret that was deleted": ({"world": [{"add": "second"}, {"revoke": "first"}, {"delete": "first"}]}, {}),
    "4, an application that holds the one before": (
        {"world": [{"add": "second"}, {"vault": {"client_secret": "second"}}, {"revoke": "first"}]},
        {"--secret-file": "{file}"},
    ),
    "2 and 4, revoked and form fields": (
        {"world": [{"add": "second"}, {"revoke": "first"}]},
        {"--auth-method": "client_secret_post"},
    ),
    "1 and 3, a newline and two tenants": (
        {"world": [{"vault": {"client_secret": "first|newline"}}]},
        {"--issuer": "{other}/oauth2/default", "--authorize": "{org}/oauth2/default/v1/authorize"},
    ),
}


@pytest.mark.parametrize(("case", "options"), [pytest.param(*way, id=name) for name, way in WAYS.items()])
def test_what_the_doctor_prints_leads_to_a_client_that_works(
    case: dict[str, Any], options: dict[str, str], site: Site
) -> None:
    ward = Ward(site, case)
    application = Application(ward, {name: ward.real(text) for name, text in options.items()})
    assert not application.gets_a_token()

    for _ in range(MOST_VISITS):
        ran = application.visit()
        if ran.code == 0:
            break
        commands = [cause["command"] for cause in ran.json()["client"]["causes"] if cause["command"]]
        assert commands, ran.out
        application.do(commands[0])
        application.gets_a_token()  # it tries again, as applications do

    assert ran.code == 0, ran.out
    assert application.gets_a_token()
