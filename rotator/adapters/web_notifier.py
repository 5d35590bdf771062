"""The Notifier port by a signed POST, and the Heart port by a GET (see `webhook`).

* No error names the address: it may be all that it takes to write there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rotator.adapters.webhook import fetch, post
from rotator.errors import RefusedError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from rotator.adapters.webhook import Posted, Way
    from rotator.core.notice_text import Message
    from rotator.core.secret_value import SecretValue
    from rotator.ports import Clock

    Read = Callable[[], SecretValue]

MAY_WORK_LATER = frozenset({None, 408, 425, 429})
OF_THE_MESSAGE = frozenset({400, 413, 415, 422})  # another message may be taken
HINT = "Look whether the receiver is up and can be reached from here, and into its own log."


class WebNotifier:
    """A program that takes JSON."""

    def __init__(self, channel: str, url: Read, secret: Read, *, way: Way, clock: Clock) -> None:
        """Take what reads the address, and the secret that both sides know, each time anew."""
        self._channel = channel
        self._url = url
        self._secret = secret
        self._way = way
        self._clock = clock

    async def send(self, message: Message) -> None:
        """Post the message, signed."""
        body = json.dumps(message.document).encode()
        at = self._clock.now()
        _judge(
            f"channel {self._channel}",
            await post(self._url(), body, secret=self._secret(), key=message.id, at=at, way=self._way),
        )


class WebHeart:
    """A URL that wants to be fetched again and again."""

    def __init__(self, url: Read, way: Way) -> None:
        """Fetch nothing yet."""
        self._url = url
        self._way = way

    async def beat(self) -> None:
        """Fetch it once."""
        _judge("heartbeat", await fetch(self._url(), self._way))


def _judge(name: str, done: Posted) -> None:
    if done.good:
        return
    said = f"{name}: {done.detail}"
    if (done.status in MAY_WORK_LATER and not done.never) or (done.status or 0) >= 500:
        raise UnavailableError(said, hint=HINT)
    raise RefusedError(said, code="message" if done.status in OF_THE_MESSAGE else str(done.status or ""), hint=HINT)
