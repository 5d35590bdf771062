"""The sandbox put together: both emulators, served on loopback, with a clock, faults and a journal."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Self

from .clock import SandboxClock
from .control import Control
from .exchange import Exchange
from .faults import Faults
from .journal import Journal
from .okta import OktaEmulator
from .server import Server, Tls
from .vault import VaultEmulator, VaultSettings

if TYPE_CHECKING:
    from types import TracebackType

    from .http import Emulator
    from .okta_settings import OktaSettings

__all__ = ["Sandbox", "Tls"]


class Sandbox:
    """A small world. Use it as a context manager; its ports are open from start to end of the block."""

    def __init__(
        self,
        *,
        clock: SandboxClock | None = None,
        okta: OktaSettings | None = None,
        vault: VaultSettings | None = None,
        tls: Tls | None = None,
        okta_port: int = 0,
        vault_port: int = 0,
    ) -> None:
        """Build the world; nothing listens yet. With `tls` all servers speak https."""
        self.clock = clock or SandboxClock()
        self.lock = threading.RLock()
        self.faults = Faults()
        self.journal = Journal()
        self.okta = OktaEmulator(self.clock, okta)
        self.vault = VaultEmulator(self.clock, vault or VaultSettings())
        self.okta_url = ""
        self.vault_url = ""
        self._tls = tls
        self._ports = {"okta": okta_port, "vault": vault_port}
        self._server: Server | None = None
        self._control: Control | None = None

    def __enter__(self) -> Self:
        """Open the ports."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.stop()

    def start(self) -> None:
        """Open the ports."""
        assert self._server is None, "started already"
        self._server = Server(self.clock)
        self._control = Control(
            lock=self.lock,
            clock=self.clock,
            journal=self.journal,
            faults=self.faults,
            actions={"okta": self.okta.actions(), "vault": self.vault.actions()},
        )
        self.okta_url = self.serve("okta", self.okta)
        self.vault_url = self.serve("vault", self.vault)

    def stop(self) -> None:
        """Close the ports and raise what went wrong inside, if anything did."""
        if self._server is None:
            return
        server, self._server = self._server, None
        self.faults.clear()
        server.close()

    def serve(self, service: str, emulator: Emulator) -> str:
        """Put one more emulator on a port of its own, under the same clock, faults and journal; return its URL."""
        assert self._server, "not started"
        assert self._control
        exchange = Exchange(
            service,
            emulator,
            lock=self.lock,
            clock=self.clock,
            journal=self.journal,
            faults=self.faults,
            control=self._control,
        )
        return self._server.listen(exchange, port=self._ports.get(service, 0), tls=self._tls)
