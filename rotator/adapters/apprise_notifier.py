"""The Notifier port by Apprise: chats, mail, pagers, one URL each.

* Apprise is large, logs URLs and may hang. So each message is handed to it by a process of its own, which can be ended
  when its time is over, and whose memory and log are not ours (`apprise_child`).
* That process gets the URL on stdin, and nothing of our environment that is secret or says whom to talk to.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from rotator.errors import ConfigError, RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta
    from pathlib import Path

    from rotator.core.notice_text import Message
    from rotator.core.secret_value import SecretValue

CHILD = "rotator.adapters.apprise_child"
PASSED_ON = ("PATH", "LANG", "LC_ALL", "TZ", "PYTHONPATH", "PYTHONHOME", "SSL_CERT_FILE", "SSL_CERT_DIR")
HINT = "Look whether the service is up, and can be reached from here."
MAY_WORK_LATER = frozenset({408, 425, 429})


def installed(channel: str) -> None:
    """Return if Apprise is there; `ConfigError` if not."""
    if find_spec("apprise") is None:
        problem = "Apprise is not installed; run `pip install 'rotator[notify]'`, or use a webhook"
        raise ConfigError([f"notify.channels.{channel}: {problem}"])


class AppriseNotifier:
    """One service, by the URL that Apprise knows it by."""

    def __init__(
        self,
        channel: str,
        url: Callable[[], SecretValue],
        *,
        within: timedelta,
        ca_file: Path | None = None,
        proxy: str | None = None,
    ) -> None:
        """Take what reads the URL, each time anew; `ConfigError` where Apprise is not installed."""
        installed(channel)
        self._channel = channel
        self._url = url
        self._within = within
        self._environ = _environment(ca_file, proxy)

    async def send(self, message: Message) -> None:
        """Hand the message to the service."""
        wanted = {"url": self._url().reveal(), "title": message.title, "body": message.body, "mood": message.mood}
        answer = await self._ask_child(json.dumps(wanted).encode())
        match answer.get("result"):
            case "sent":
                return
            case "no service":
                hint = "Write it as Apprise's documentation of that service says, alone in its file."
                raise RefusedError(f"channel {self._channel}: its URL is none that Apprise knows", hint=hint)
            case "not taken":
                raise _not_taken(self._channel, answer)
        raise UnavailableError(
            f"channel {self._channel}: Apprise ended without an answer", hint="Does `rotator notify test` work?"
        )

    async def _ask_child(self, wanted: bytes) -> dict[str, Any]:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            CHILD,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=self._environ,
        )
        try:
            async with asyncio.timeout(self._within.total_seconds()):
                said, _ = await child.communicate(wanted)
        except TimeoutError:
            raise UnavailableError(
                f"channel {self._channel}: the service took longer than {self._within}", hint=HINT
            ) from None
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()
        try:
            answer = json.loads(said)
        except ValueError:
            return {}
        return answer if isinstance(answer, dict) else {}


def _not_taken(channel: str, answer: dict[str, Any]) -> RefusedError | UnavailableError:
    status = answer.get("status")
    if isinstance(status, int) and 400 <= status < 500 and status not in MAY_WORK_LATER:
        hint = "Look whether its URL is still good, and whether the service takes such messages."
        return RefusedError(f"channel {channel}: the service answered {status}", code=str(status), hint=hint)
    why = f"answered {status}" if status else "cannot be reached" if answer.get("away") else "did not take the message"
    return UnavailableError(f"channel {channel}: the service {why}", hint=HINT)


def _environment(ca_file: Path | None, proxy: str | None) -> dict[str, str]:
    environ = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environ["NETRC"] = os.devnull  # no passwords from there
    if ca_file is not None:
        environ["REQUESTS_CA_BUNDLE"] = str(ca_file)
    if proxy is not None:
        environ |= {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
    return environ
