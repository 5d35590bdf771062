"""A script for cron, such as people write with care: one app after the other, by the okta SDK and hvac.

`python -m tests.bench.peers.cron JOB`, the job as JSON: where everything is, and which apps. At most two secrets fit
into an app, so a run first removes the one that consumers do not read, which by then has had a whole interval; then it
makes a new one and writes it to Vault. What fails for one app is told, and the others go on.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import hvac
from okta.client import Client
from okta.models.o_auth2_client_secret_request_body import OAuth2ClientSecretRequestBody


async def ask(call: Any) -> Any:
    """Return what the SDK answers, or raise what it says went wrong."""
    result, _, error = await call
    if error is not None:
        raise RuntimeError(error)
    return result


async def rotate(okta: Client, kv: Any, app: str, path: str) -> None:
    """Give one app a new secret."""
    held = kv.read_secret_version(path, mount_point="secret", raise_on_deleted_version=True)["data"]["data"]
    for secret in await ask(okta.list_o_auth2_client_secrets(app)):
        if secret.client_secret != held["client_secret"]:
            if secret.status == "ACTIVE":
                await ask(okta.deactivate_o_auth2_client_secret(app, secret.id))
            await ask(okta.delete_o_auth2_client_secret(app, secret.id))
    made = await ask(okta.create_o_auth2_client_secret(app, OAuth2ClientSecretRequestBody()))
    kv.create_or_update_secret(path, {**held, "client_secret": made.client_secret}, mount_point="secret")


async def run(job: dict[str, Any]) -> int:
    """Rotate every app; 1 if any failed."""
    settings = {"orgUrl": job["okta_url"], "token": job["okta_token"], "cache": {"enabled": False}}
    okta = Client(settings)
    kv = hvac.Client(url=job["vault_url"], token=job["vault_token"]).secrets.kv.v2
    failed = 0
    for app, path in job["apps"]:
        try:
            await rotate(okta, kv, app, path)
        except Exception as error:  # noqa: BLE001 -- as such a script does
            print(f"{app}: {error}", file=sys.stderr)
            failed = 1
    return failed


def main(argv: list[str]) -> int:
    return asyncio.run(run(json.loads(argv[0])))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
