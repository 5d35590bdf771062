"""The daemon put together, with its health looked at from outside while it works, waits and stops."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.cli.daemon_line import ask
from rotator.core.agenda import Pace
from rotator.daemon.passes import Limits
from rotator.daemon.serve import Telling, serve
from rotator.daemon.talk import Request
from rotator.errors import ConfigError
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox
from rotator.settings import Settings, load
from tests.app.small_world import Told
from tests.entry.site import Site
from tests.free_port import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, MutableMapping
    from datetime import datetime
    from pathlib import Path

    from rotator.app.rotate import Outcome

TICK = timedelta(seconds=1)
SOON = 30.0  # seconds, on a busy machine


def plain(outcome: Outcome, _: datetime, __: bool, force: bool) -> dict[str, Any]:
    return {"exit_code": 0, "steps": [type(step.action).__name__ for step in outcome.steps], "force": force}


@dataclass
class Served:
    """A daemon in this process, and whoever asks it how it is."""

    site: Site
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        self.configured = self.port
        self.environ: dict[str, str] = {}

    def load(self) -> Settings:
        environ = {
            "ROTATOR_HEALTH__LISTEN": f"127.0.0.1:{self.configured}",
            "XDG_STATE_HOME": str(self.site.folder / "state"),  # and not that of whoever runs the tests
            **self.environ,
        }
        return load(self.site.config, environ=environ, home=self.site.folder)

    async def run(self) -> int:
        return await serve(
            self.load, Telling(Told(), print, plain), pace=Pace(TICK, timedelta(hours=1)), limits=Limits()
        )

    async def ask(self, page: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        writer.write(f"GET {page} HTTP/1.0\r\n\r\n".encode())
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
        writer.close()
        return int(head.split()[1]), body

    async def metric(self, line: str) -> str | None:
        _, body = await self.ask("/metrics")
        return next(
            (each.rpartition(" ")[2] for each in body.splitlines() if each.startswith(f"rotator_{line} ")), None
        )

    async def until(self, page: str, fits: Callable[[int, str], bool]) -> None:
        async with asyncio.timeout(SOON):
            while True:
                with suppress(ConnectionError):
                    if fits(*await self.ask(page)):
                        return
                await asyncio.sleep(0.02)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[int]]:
        """Let the daemon run until it is ready, and no longer than the block."""
        task = asyncio.create_task(self.run())
        try:
            await self.until("/readyz", lambda status, _: status == 200)
            yield task
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with Sandbox() as box:
        yield Served(Site(box, tmp_path))


async def test_what_it_does_can_be_seen(served: Served) -> None:
    site = served.site
    app = site.add()
    async with served.running():
        await served.until("/metrics", lambda _, text: 'rotations_total{target="billing",outcome="promoted"} 1' in text)
        holder = site.holder(app)
        assert holder
        assert await served.metric('secret_created_timestamp_seconds{target="billing"}') == f"{holder.created:%s}"
        assert float(await served.metric('next_step_timestamp_seconds{target="billing"}') or 0) > 0
        assert (await served.ask("/livez"))[0] == 200
        assert await served.ask("/readyz") == (200, "ready\n")
        assert (await served.ask("/status"))[0] == 404
        assert site.secrets_in((await served.ask("/metrics"))[1]) == []


async def test_the_end_of_a_login_can_be_seen(served: Served) -> None:
    site = served.site
    site.box.vault.add_policy("rotator", {"*": ("create", "read", "update")})
    token = site.box.vault.create_token(["rotator"], ttl=timedelta(hours=1))
    (site.folder / "vault-token").write_text(token)
    site.add()
    async with served.running():
        await served.until("/metrics", lambda _, text: "vault_token_expiry_timestamp_seconds{" in text)
        ends = float(await served.metric('vault_token_expiry_timestamp_seconds{vault="main"}') or 0)

    assert abs(ends - time.time() - 3600) < 30


async def test_it_is_ready_while_okta_is_away_and_says_so(served: Served) -> None:
    served.site.box.faults.drop(Wanted(service="okta"), when="before", times=None)
    served.site.add()
    async with served.running():
        await served.until("/readyz", lambda status, text: status == 200 and "okta acme: unreachable since 20" in text)

        assert await served.metric('reachable{kind="okta",alias="acme"}') == "0"
        assert await served.metric('targets{state="held"}') == "1"
        assert (await served.ask("/livez"))[0] == 200


async def test_it_is_alive_and_not_ready_while_it_finishes(served: Served) -> None:
    served.site.add()
    hold = served.site.box.faults.hold(Wanted(method="POST", path="/api/v1/apps/*/credentials/secrets"), when="before")
    async with served.running() as task:
        await asyncio.to_thread(hold.wait, SOON)
        os.kill(os.getpid(), signal.SIGTERM)
        await served.until("/readyz", lambda status, text: (status, text) == (503, "stopping\n"))
        assert (await served.ask("/livez"))[0] == 200
        hold.release()

        assert await task == 0
        with pytest.raises(ConnectionRefusedError):
            await served.ask("/livez")


async def test_where_nobody_may_listen_nothing_is_begun(served: Served) -> None:
    served.site.add()
    with socket.create_server(("127.0.0.1", served.port)), pytest.raises(ConfigError, match="address already in use"):
        await served.run()

    assert served.site.box.journal.count() == 0


async def test_another_address_takes_a_restart_and_says_so(served: Served, log: list[MutableMapping[str, Any]]) -> None:
    async with served.running():
        served.configured = free_port()
        os.kill(os.getpid(), signal.SIGHUP)
        await served.until("/livez", lambda *_: any(event["event"] == "configuration_reloaded" for event in log))

    assert [event["key"] for event in log if event["event"] == "restart_needed"] == ["health.listen"]


# --- the control socket ---------------------------------------------------------------------------------------


async def test_it_answers_where_it_is_told_and_nowhere_in_the_end(served: Served) -> None:
    path = served.site.folder / "run" / "c.sock"
    served.environ = {"ROTATOR_CONTROL__SOCKET": str(path)}
    served.site.add()
    async with served.running():
        answer = await asyncio.to_thread(ask, path, Request("rotate", everything=True, wait=SOON))
        assert answer is not None
        assert [each["target"] for each in answer.targets] == ["billing"]

    assert await asyncio.to_thread(ask, path, Request("ping")) is None


async def test_where_the_chosen_place_is_taken_nothing_is_begun(
    served: Served, log: list[MutableMapping[str, Any]]
) -> None:
    served.site.add()
    async with served.running():
        path = served.site.folder / "state" / "rotator" / "control.sock"
        another = Served(served.site)
        another.environ = {"ROTATOR_CONTROL__SOCKET": str(path)}
        with pytest.raises(ConfigError, match="another daemon answers there"):
            await another.run()

        assert [event["event"] for event in log].count("daemon_started") == 1
        assert await asyncio.to_thread(ask, path, Request("ping")) is not None


async def test_where_nobody_chose_the_place_it_works_without_and_says_so(
    served: Served, log: list[MutableMapping[str, Any]]
) -> None:
    (served.site.folder / "state" / "rotator").mkdir(parents=True)
    (served.site.folder / "state" / "rotator" / "control.sock").write_text("a note")
    async with served.running():
        assert (await served.ask("/livez"))[0] == 200

    (warning,) = [event for event in log if event["event"] == "control_not_served"]
    assert "something else lies there" in warning["detail"]


async def test_another_place_for_it_takes_a_restart_and_says_so(
    served: Served, log: list[MutableMapping[str, Any]]
) -> None:
    async with served.running():
        served.environ = {"ROTATOR_CONTROL__SOCKET": str(served.site.folder / "other.sock")}
        os.kill(os.getpid(), signal.SIGHUP)
        await served.until("/livez", lambda *_: any(event["event"] == "configuration_reloaded" for event in log))

    assert [event["key"] for event in log if event["event"] == "restart_needed"] == ["control"]
