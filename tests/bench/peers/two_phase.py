"""The steps of a product that keeps two secrets per app in a store of its own, and hands the newer one on to Vault.

`python -m tests.bench.peers.two_phase JOB`. They are those of its published source: Okta makes the value; before that
the secret of the run before last is removed, if Okta can be asked for it, which any failure counts as a no to; at the
second run there is none of its own yet, and the first one that it did not make goes. The store is written in one step
after Okta has answered; handing on to Vault is a job of its own then, which is done again until it succeeds.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import requests

FULL = "E0000001"


class Org:
    """Okta, by an API token."""

    def __init__(self, job: dict[str, Any], app: str) -> None:
        self._url = f"{job['okta_url']}/api/v1/apps/{app}/credentials/secrets"
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"SSWS {job['okta_token']}"

    def ask(self, method: str, path: str = "", body: dict[str, Any] | None = None) -> Any:
        answer = self._http.request(method, self._url + path, json=body, timeout=30)
        if answer.status_code == 400 and answer.json().get("errorCode") == FULL:
            raise RuntimeError("there must be a single secret before this rotation")
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def has(self, secret: str) -> bool:
        try:
            self.ask("GET", f"/{secret}")
        except (requests.RequestException, RuntimeError):
            return False
        return True

    def remove(self, secret: str) -> None:
        self.ask("POST", f"/{secret}/lifecycle/deactivate")
        self.ask("DELETE", f"/{secret}")


def rotate(job: dict[str, Any], app: str, path: str) -> None:
    """One run for one app."""
    store = Path(job["store"]) / f"{app}.json"
    known: dict[str, Any] = json.loads(store.read_text()) if store.exists() else {"kept": [], "handed_on": True}
    if known["handed_on"]:
        kept = known["kept"]  # the newer one last
        org = Org(job, app)
        make_room(org, kept)
        made = org.ask("POST", body={})
        known["kept"] = [*kept[-1:], {"id": made["id"], "value": made["client_secret"]}]
        _save(store, {**known, "handed_on": False})
    hand_on(job, path, known["kept"][-1]["value"])
    _save(store, {**known, "handed_on": True})


def make_room(org: Org, kept: list[dict[str, str]]) -> None:
    """Remove the secret of the run before last, or at the second run the first one that is not its own."""
    if len(kept) == 2 and org.has(kept[0]["id"]):
        org.remove(kept[0]["id"])
    if len(kept) == 1:
        listed = org.ask("GET")
        if len(listed) > 1:
            org.remove(next(one["id"] for one in listed if one["id"] != kept[0]["id"]))


def hand_on(job: dict[str, Any], path: str, value: str) -> None:
    """Write the newer one to Vault, beside what is there."""
    url, head = f"{job['vault_url']}/v1/secret/data/{path}", {"X-Vault-Token": job["vault_token"]}
    held = requests.get(url, headers=head, timeout=30).json()["data"]["data"]
    requests.post(url, headers=head, json={"data": {**held, "client_secret": value}}, timeout=30).raise_for_status()


def _save(store: Path, known: dict[str, Any]) -> None:
    new = store.with_suffix(".new")
    new.write_text(json.dumps(known))
    os.replace(new, store)  # noqa: PTH105 -- a transaction, as its database has


def main(argv: list[str]) -> int:
    job, failed = json.loads(argv[0]), 0
    for app, path in job["apps"]:
        try:
            rotate(job, app, path)
        except (requests.RequestException, RuntimeError, KeyError) as error:
            print(f"{app}: {error}", file=sys.stderr)
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
