"""What systemd is told (sd_notify(3)): one datagram per message, and nothing where nobody listens.

The watchdog is fed only while ticks finish: a daemon that runs and does nothing is to be restarted.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.daemon.vitals import Vitals


class Systemd:
    """The notification socket, if there is one."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        """Take the socket and the watchdog's time from the environment that systemd made."""
        environ = os.environ if environ is None else environ
        self._address = environ.get("NOTIFY_SOCKET", "")
        watched = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        usec = environ.get("WATCHDOG_USEC", "")
        self._watchdog = int(usec) / 1e6 if watched and usec.isdecimal() else 0.0

    def ready(self) -> None:
        """Say that the daemon works, at first or with a new configuration."""
        self._notify("READY=1")

    def reloading(self) -> None:
        """Say that the configuration is being read; `ready` follows."""
        self._notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")

    def stopping(self) -> None:
        """Say that the daemon drains."""
        self._notify("STOPPING=1")

    async def feed_watchdog(self, vitals: Vitals) -> None:
        """Beat twice as often as systemd wants, while ticks finish."""
        while self._address and self._watchdog:
            if vitals.alive:
                self._notify("WATCHDOG=1")
            await asyncio.sleep(self._watchdog / 2)

    def _notify(self, message: str) -> None:
        if self._address[:1] not in {"/", "@"}:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
                line.setblocking(False)
                line.sendto(message.encode(), address)
        except OSError:
            return  # whoever wanted to know has gone; that stops no rotation
