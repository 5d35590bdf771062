"""A port for a server that is started later."""

from __future__ import annotations

import random
import socket
from pathlib import Path

WIDTH = 12_000
UNPRIVILEGED, LAST = 1024, 65535


def free_port() -> int:
    """Return a port that nobody listens on, from below those that the kernel lends to connections.

    One of those may be lent to a client by the time that its server begins to listen. Where the kernel lends all that
    there are, it is one of them.
    """
    lent = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    ports = range(max(lent - WIDTH, UNPRIVILEGED), lent) or range(UNPRIVILEGED, LAST + 1)
    while True:
        port = random.choice(ports)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
