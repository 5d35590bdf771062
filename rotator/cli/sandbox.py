"""`rotator sandbox`: an Okta and a Vault on this machine, to try things on with one's own tools."""

from __future__ import annotations

import signal
import sys
from contextlib import contextmanager
from queue import SimpleQueue
from typing import TYPE_CHECKING

import rich_click as click

from rotator.cli.output import print_lines
from rotator.errors import ConfigError
from rotator.sandbox.scenes import FLEET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rotator.sandbox.furnish import Tenant
    from rotator.sandbox.scenes import Scene
    from rotator.sandbox.world import Sandbox

EMPTY = "empty"
PORT = click.IntRange(0, 65535)


@click.command()
@click.option("--okta-port", type=PORT, default=0, metavar="PORT", help="Where Okta listens. [default: a free one]")
@click.option("--vault-port", type=PORT, default=0, metavar="PORT", help="Where Vault listens. [default: a free one]")
@click.option(
    "--speed",
    type=click.FloatRange(0, 1_000_000),
    default=1.0,
    show_default=True,
    metavar="TIMES",
    help="How fast their clock runs; 0 stops it.",
)
@click.option(
    "--scene",
    "names",
    multiple=True,
    type=click.Choice([EMPTY, *(scene.name for scene in FLEET)]),
    metavar="NAME",
    help=f"Which app is there, may be repeated; `{EMPTY}` for none. [default: all of the demo's]",
)
def sandbox(*, okta_port: int, vault_port: int, speed: float, names: Sequence[str]) -> int:
    """Serve an Okta org and a Vault on loopback, until Ctrl-C.

    They keep the real ones' rules, hold nothing of yours, and forget everything in the end. Prints how to point
    `curl`, `bao` or `vault`, and rotator itself at them, and how to move their clock.
    """
    from rotator.sandbox.clock import SandboxClock
    from rotator.sandbox.furnish import furnish
    from rotator.sandbox.world import Sandbox

    scenes = [scene for scene in FLEET if not names or scene.name in names]
    box = Sandbox(clock=SandboxClock(speed=speed), okta_port=okta_port, vault_port=vault_port)
    tenants = furnish(box, scenes)
    with _until_a_signal() as wait, _served(box):
        print_lines(_how_to(box, tenants))
        sys.stdout.flush()
        wait()
    click.echo("the sandbox is gone, and all that was in it", err=True)
    return 0


@contextmanager
def _until_a_signal() -> Iterator[Callable[[], None]]:
    """Return what waits for SIGINT or SIGTERM; they get their old meaning back in the end.

    Setting a `threading.Event` takes its lock, which the thread that a signal interrupts may hold as it begins to wait
    for it; putting into a `SimpleQueue` may interrupt anything.
    """
    stopped: SimpleQueue[None] = SimpleQueue()

    def stop(*_: object) -> None:
        stopped.put(None)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stopped.get
    finally:
        for number, meaning in before.items():
            signal.signal(number, meaning)


@contextmanager
def _served(box: Sandbox) -> Iterator[None]:
    try:
        box.start()
    except OSError as taken:
        box.stop()
        raise ConfigError([f"cannot listen on 127.0.0.1: {taken.strerror}; choose another port"]) from taken
    try:
        yield
    finally:
        box.stop()


def _how_to(box: Sandbox, tenants: Mapping[str, Tenant]) -> list[str]:
    okta, vault = box.okta_url, box.vault_url
    token, root = box.okta.add_api_token(), box.vault.settings.root_token
    lines = [
        f"Okta   {okta}",
        f"Vault  {vault}",
        "",
        "In another shell:",
        "",
        f"  export OKTA_CLIENT_ORGURL={okta} OKTA_CLIENT_TOKEN={token}",
        f"  export VAULT_ADDR={vault} VAULT_TOKEN={root}",
        "",
        '  curl -H "Authorization: SSWS $OKTA_CLIENT_TOKEN" $OKTA_CLIENT_ORGURL/api/v1/apps',
    ]
    lines += [f"  bao kv get secret/{tenant.scene.path}" for tenant in list(tenants.values())[:1]]
    lines += ["", "Their clock, their faults, and what people do at their consoles:", ""]
    lines += [
        "  curl $VAULT_ADDR/_sandbox",
        '  curl -d \'{"advance": "8d"}\' $VAULT_ADDR/_sandbox/clock',
        '  curl -d \'{"act": "drop", "when": "after", "service": "okta"}\' $VAULT_ADDR/_sandbox/faults',
    ]
    if tenants:
        lines += ["", "Rotate one of the apps:", ""]
    for tenant in tenants.values():
        lines += _rotate(tenant)
    return [*lines, "", "Ctrl-C ends it."]


def _rotate(tenant: Tenant) -> list[str]:
    scene = tenant.scene
    how = f"--app {tenant.app.id} --to secret/{scene.path} {_verify(scene)}".rstrip()
    return [f"  # {scene.name}: {scene.says}", f"  rotator rotate {how}"]


def _verify(scene: Scene) -> str:
    verify = scene.verify
    parts = [("--authorization-server", verify.get("authorization_server")), ("--scope", verify.get("scope"))]
    return " ".join(f"{option} {value}" for option, value in parts if value)
