"""From settings to the ports by which one org is certified (see `wiring`)."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from rotator.app.certify_trial import Means, Wish
from rotator.wiring import okta_connection

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from datetime import timedelta
    from pathlib import Path

    from rotator.core.model import AppId
    from rotator.settings import Org


@asynccontextmanager
async def open_laboratory(org: Org, tell: Callable[[str], None]) -> AsyncIterator[Means]:
    """Open what trials on an org need, and close it in the end; `tell` is told each step."""
    from rotator.adapters.certificates import TrailFile
    from rotator.adapters.clock import SystemClock
    from rotator.adapters.mint import RandomMint
    from rotator.adapters.okta_admin import OktaSdkAdmin
    from rotator.adapters.okta_connection import OktaWay
    from rotator.adapters.okta_http import Outside
    from rotator.adapters.okta_lab import OktaLaboratory
    from rotator.adapters.okta_pace import OktaPace
    from rotator.adapters.okta_probe import OktaProbe
    from rotator.adapters.okta_session import OktaSession

    clock, connection = SystemClock(), okta_connection(org)
    way = OktaWay(connection.ca_file, connection.proxy, connection.answer_within)
    async with AsyncExitStack() as closing:
        session = OktaSession(connection, clock, pace=OktaPace(connection.host, clock, shares=org.rate_share))
        closing.push_async_callback(session.aclose)
        outside = Outside(lambda _: way)
        closing.push_async_callback(outside.aclose)
        yield Means(
            lab=OktaLaboratory(session, OktaProbe(outside, clock)),
            admin=OktaSdkAdmin(session),
            mint=RandomMint(),
            trail=TrailFile(org.certified_file),
            clock=clock,
            sleep=asyncio.sleep,
            tell=tell,
        )


def wish_for(
    org: Org,
    *,
    server: str | None,
    scope: str | None,
    given: AppId | None,
    log_within: timedelta,
) -> Wish:
    """Return what is to be certified: under labels of this machine and this run."""
    return Wish(
        org_url=org.url,
        propagation=org.propagation,
        machine=hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8],
        run=secrets.token_hex(4),
        server=server,
        scope=scope,
        given=given,
        log_within=log_within,
    )


def keep(org: Org, document: Mapping[str, Any]) -> None:
    """Keep a report where the program reads it from now on; `ConfigError` where that cannot be written."""
    from rotator.adapters.certificates import keep_report

    keep_report(org.certified_file, document)


def write_report(path: Path, text: str) -> None:
    """Write a report for people; `ConfigError` where it cannot be written."""
    from rotator.adapters.certificates import write_whole

    write_whole(path, text)
