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
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import aiohttp
import httpx2
import hvac
from authlib.integrations.httpx_client import OAuth2ClientAuth
from okta.api.application_api import ApplicationApi
from okta.api.application_sso_public_keys_api import ApplicationSSOPublicKeysApi
from okta.cache.no_op_cache import NoOpCache
from okta.models.o_auth2_client_secret_request_body import OAuth2ClientSecretRequestBody
from okta.request_executor import RequestExecutor

from tests.bench.calls import NEEDED

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    @classmethod
    def open(cls, task: Task) -> Clients:
        session = aiohttp.ClientSession()
        vault = hvac.Client(url=task["vault_url"], token=task["vault_token"])
        return cls(Okta(task, session), vault.secrets.kv.v2, httpx2.AsyncClient(), session)

    async def close(self) -> None:
        await self.http.aclose()
        await self.session.close()


class Rotation:
    """The calls of one rotation, each by its name."""

    def __init__(self, task: Task, clients: Clients) -> None:
        self._okta, self._kv, self._http = clients.okta, clients.kv, clients.http
        self._task = task
        self._tokens = f"{task['okta_url']}/oauth2/default/v1"
        self._value = secrets.token_urlsafe(48)
        self._hash = urlsafe_b64encode(hashlib.sha256(self._value.encode()).digest()[:16]).rstrip(b"=").decode()
        self._old = self._made = self._token = ""
        self._read: dict[str, Any] = {}
        self._staged = 0

    async def make(self, calls: Sequence[str]) -> None:
        """Make these calls, one after the other."""
        for call in calls:
            name, _, path = call.partition(" ")
            if path:
                getattr(self, name)(self._task[path])  # type: ignore[literal-required]
            else:
                await getattr(self, name)()

    async def app(self) -> None:
        await self._okta.ask(self._okta.get_application, self._task["app"])

    async def list(self) -> None:
        self._old = (await self._okta.ask(self._okta.list_o_auth2_client_secrets, self._task["app"]))[0].id

    async def create(self) -> None:
        body = OAuth2ClientSecretRequestBody(client_secret=self._value)
        made = await self._okta.ask(self._okta.create_o_auth2_client_secret, self._task["app"], body)
        assert made.secret_hash == self._hash
        self._made = made.id

    async def token(self) -> None:
        granted = await self._post("token", {"grant_type": "client_credentials", "scope": self._task["scope"]})
        self._token = granted.json()["access_token"]

    async def revoke(self) -> None:
        await self._post("revoke", {"token": self._token, "token_type_hint": "access_token"})

    async def _post(self, endpoint: str, form: dict[str, str]) -> httpx2.Response:
        auth = OAuth2ClientAuth(self._read["data"]["client_id"], self._value, "client_secret_basic")
        return (await self._http.post(f"{self._tokens}/{endpoint}", data=form, auth=auth)).raise_for_status()

    def look(self, path: str) -> None:
        with suppress(hvac.exceptions.InvalidPath):
            self._kv.read_secret_metadata(path, mount_point=MOUNT)

    def read(self, path: str) -> None:
        found = self._kv.read_secret_version(path, mount_point=MOUNT, raise_on_deleted_version=True)["data"]
        if path == self._task["path"]:
            self._read = found

    def write(self, path: str) -> None:
        if path == self._task["staging"]:
            held = {"state": "staged", "client_secret": self._value, "secret_hash": self._hash}
            self._staged = self._write(path, {"state": "empty"} if self._staged else held, cas=self._staged)
            return
        new = {"client_secret": self._value, "client_secret_id": self._made, "retiring_secret_id": self._old}
        self._write(path, {**self._read["data"], **new}, cas=self._read["metadata"]["version"])

    def _write(self, path: str, fields: dict[str, str], *, cas: int) -> int:
        version: int = self._kv.create_or_update_secret(path, fields, cas=cas, mount_point=MOUNT)["data"]["version"]
        return version

    def destroy(self, path: str) -> None:
        self._kv.destroy_secret_versions(path, [self._staged - 1], mount_point=MOUNT)


async def one(task: Task) -> None:
    """Open, rotate, close."""
    clients = Clients.open(task)
    await Rotation(task, clients).make(NEEDED)
    await clients.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(one(json.loads(sys.argv[1])))
