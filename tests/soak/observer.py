"""A consumer of every app: reads Vault, asks for a token, again and again, and tells whenever Okta refuses it.

`python -m tests.soak.observer FACTS` prints one JSON line for each refusal and each recovery, and a last one with what
it did when its stdin ends. It asks with what Vault holds, and with what was current until a moment ago: both have to
be taken. What is cut off or answered 5xx by the weather is no refusal.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import requests

from rotator.sandbox.consumer import Consumer, Credentials
from tests.soak.member import SharedClock

REFUSED = "invalid_client"


@dataclass
class Watched:
    """One app as its consumer sees it."""

    name: str
    consumer: Consumer
    held: Credentials | None = None
    read_at: datetime | None = None  # when it was held for certain
    former: tuple[Credentials, datetime] | None = None  # and until when it has to be taken
    refused_since: dict[str, float] = field(default_factory=dict)  # by which of the two


class Observer:
    """All consumers, in turn."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self._clock = SharedClock(**facts["clock"]).made()
        self._overlap = timedelta(seconds=facts["overlap"])
        self._scope = facts["scope"]
        self._apps = [
            Watched(
                name,
                Consumer(
                    vault_url=facts["vault_url"],
                    vault_token=facts["vault_token"],
                    mount="secret",
                    path=f"{name}/okta",
                    token_url=f"{facts['okta_url']}/oauth2/default/v1/token",
                ),
            )
            for name in facts["names"]
        ]
        self._pause = 1 / facts["per_second"]
        self.asked = 0
        self.weather = 0

    def run(self, stop: threading.Event) -> None:
        """Go round until told to stop."""
        while not stop.is_set():
            for app in self._apps:
                began = time.monotonic()
                try:
                    self._look(app)
                except (requests.RequestException, ValueError, KeyError):
                    self.weather += 1
                time.sleep(max(0.0, self._pause - (time.monotonic() - began)))

    def _look(self, app: Watched) -> None:
        asked_at = self._clock.now()
        read = app.consumer.read()
        if read is None:
            tell(app.name, "nothing in Vault")
            return
        if app.held is not None and app.read_at is not None and read.client_secret != app.held.client_secret:
            app.former = (app.held, app.read_at + self._overlap)
        app.held, app.read_at = read, asked_at
        self._try(app, "current", read)
        if app.former is not None and self._clock.now() < app.former[1]:
            self._try(app, "former", app.former[0])

    def _try(self, app: Watched, which: str, credentials: Credentials) -> None:
        granted = app.consumer.ask(credentials, self._scope)
        self.asked += 1
        if granted.error == REFUSED:
            if which not in app.refused_since:
                app.refused_since[which] = time.monotonic()
                tell(app.name, "refused", which=which, hash=credentials.hash)
        elif granted.token and which in app.refused_since:
            tell(app.name, "taken", which=which, after=time.monotonic() - app.refused_since.pop(which))


def tell(name: str, what: str, **more: object) -> None:
    """Say it to whoever started us."""
    print(json.dumps({"at": time.monotonic(), "app": name, "what": what, **more}), flush=True)


def main() -> None:
    """Observe until stdin ends."""
    observer, stop = Observer(json.loads(sys.argv[1])), threading.Event()
    thread = threading.Thread(target=observer.run, args=(stop,))
    thread.start()
    sys.stdin.read()
    stop.set()
    thread.join()
    tell("", "ended", asked=observer.asked, weather=observer.weather)


if __name__ == "__main__":
    main()
