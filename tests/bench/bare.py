"""The floor: the same work by plain calls through the same libraries, in sequence, without a thought for failures.

`python -m tests.bench.bare` imports the libraries; with a task as JSON it rotates that app as well. Nothing of
`rotator` is imported here.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import sys
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from typing import Any, TypedDict

import aiohttp
import httpx2
import hvac
from authlib.integrations.httpx_client import OAuth2ClientAuth
from okta.api.application_api import ApplicationApi
from okta.api.application_sso_public_keys_api import ApplicationSSOPublicKeysApi
from okta.cache.no_op_cache import NoOpCache
from okta.models.o_auth2_client_secret_request_body import OAuth2ClientSecretRequestBody
from okta.request_executor import RequestExecutor

MOUNT = "secret"


class Task(TypedDict):
    """Where everything is, and which app to rotate."""

    okta_url: str
    okta_token: str
    vault_url: str
    vault_token: str
    app: str
    path: str
    staging: str
    scope: str


class Okta(ApplicationApi, ApplicationSSOPublicKeysApi):  # type: ignore[misc]  # the SDK has no types
    """The SDK's own classes, as narrow as they can be had."""

    def __init__(self, task: Task, session: aiohttp.ClientSession) -> None:
        settings = {
            "orgUrl": task["okta_url"],
            "authorizationMode": "SSWS",
            "token": task["okta_token"],
            "requestTimeout": 30,
            "rateLimit": {"maxRetries": 0},
        }
        super().__init__({"client": settings})
        self._request_executor = RequestExecutor({"client": settings}, NoOpCache())
        self._request_executor._http_client.set_session(session)

    async def ask(self, method: Any, *args: Any) -> Any:
        result, _, error = await method(*args)
        if error is not None:
            raise RuntimeError(error)
        return result


@dataclass(slots=True)
class Clients:
    """One client of each library, open."""

    okta: Okta
    kv: Any
    http: httpx2.AsyncClient
    session: aiohttp.ClientSession
    token_url: str

    @classmethod
    def open(cls, task: Task) -> Clients:
        session = aiohttp.ClientSession()
        vault = hvac.Client(url=task["vault_url"], token=task["vault_token"])
        return cls(
            Okta(task, session),
            vault.secrets.kv.v2,
            httpx2.AsyncClient(),
            session,
            f"{task['okta_url']}/oauth2/default/v1",
        )

    async def close(self) -> None:
        await self.http.aclose()
        await self.session.close()

    def read(self, path: str) -> Any:
        return self.kv.read_secret_version(path, mount_point=MOUNT, raise_on_deleted_version=True)["data"]

    def look(self, path: str) -> Any:
        return self.kv.read_secret_metadata(path, mount_point=MOUNT)

    def write(self, path: str, fields: dict[str, str], cas: int) -> int:
        version: int = self.kv.create_or_update_secret(path, fields, cas=cas, mount_point=MOUNT)["data"]["version"]
        return version

    async def prove(self, client_id: str, value: str, scope: str) -> None:
        """Get a token as the app would, and revoke it."""
        auth = OAuth2ClientAuth(client_id, value, "client_secret_basic")
        form = {"grant_type": "client_credentials", "scope": scope}
        granted = await self.http.post(f"{self.token_url}/token", data=form, auth=auth)
        granted.raise_for_status()
        form = {"token": granted.json()["access_token"], "token_type_hint": "access_token"}
        (await self.http.post(f"{self.token_url}/revoke", data=form, auth=auth)).raise_for_status()


async def rotate(task: Task, clients: Clients, *, careful: bool) -> None:
    """Rotate one app; `careful` adds the looks that rotator takes between its effects, to have as many calls as it."""
    value = secrets.token_urlsafe(48)
    value_hash = urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()
    okta, path, staging = clients.okta, task["path"], task["staging"]

    async def look(*paths: str) -> None:
        for each in paths if careful else ():
            clients.look(each)

    if careful:
        await okta.ask(okta.get_application, task["app"])
    old = (await okta.ask(okta.list_o_auth2_client_secrets, task["app"]))[0]
    await look(path)
    current = clients.read(path)
    staged = clients.write(staging, {"state": "staged", "client_secret": value, "secret_hash": value_hash}, 0)
    await look(staging, path)
    if careful:
        clients.read(staging)
    body = OAuth2ClientSecretRequestBody(client_secret=value)
    made = await okta.ask(okta.create_o_auth2_client_secret, task["app"], body)
    assert made.secret_hash == value_hash
    await look(path)
    await clients.prove(current["data"]["client_id"], value, task["scope"])
    await look(path)
    fields = {**current["data"], "client_secret": value, "client_secret_id": made.id, "retiring_secret_id": old.id}
    clients.write(path, fields, current["metadata"]["version"])
    await look(path)
    assert clients.read(path)["data"]["client_secret"] == value
    clients.write(staging, {"state": "empty"}, staged)
    clients.kv.destroy_secret_versions(staging, [staged], mount_point=MOUNT)
    await look(staging, path)
    if careful:
        clients.read(staging)


async def one(task: Task) -> None:
    """Open, rotate, close."""
    clients = Clients.open(task)
    await rotate(task, clients, careful=False)
    await clients.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(one(json.loads(sys.argv[1])))
