"""A process of its own that hands one message to Apprise, and ends: `python -m rotator.adapters.apprise_child`.

* The URL comes on stdin, never as an argument. It is one service: no list, no file of Apprise's own.
* Apprise logs URLs, and errors that hold them. Nothing of that gets out: of what it says, the parent hears a status.
* Nothing is kept on disk.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import Any

import apprise

STATUS = re.compile(r"\berror[=:] ?([1-5][0-9]{2})\b")
NO_WAY_THERE = re.compile(r"\b[Cc]onnection\b|\btimed? ?out\b", re.IGNORECASE)


class _Heard(logging.Handler):
    """Keeps what Apprise says, to be looked through."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.said: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.said.append(record.getMessage())


def main() -> None:
    """Read what to send, send it, and say what came of it."""
    heard = _Heard()
    logger = logging.getLogger("apprise")
    logger.handlers, logger.propagate = [heard], False
    logger.setLevel(logging.WARNING)
    json.dump(_sent(json.load(sys.stdin), heard), sys.stdout)


def _sent(wanted: dict[str, str], heard: _Heard) -> dict[str, Any]:
    asset = apprise.AppriseAsset(app_id="rotator", app_desc="rotator", async_mode=False, storage_mode="memory")
    service = apprise.Apprise.instantiate(wanted["url"], asset=asset)
    if service is None:
        return {"result": "no service"}
    way = apprise.Apprise(asset=asset)
    way.add(service)
    if way.notify(wanted["body"], title=wanted["title"], notify_type=wanted["mood"], body_format="text"):
        return {"result": "sent"}
    said = "\n".join(heard.said)
    status = STATUS.search(said)
    return {
        "result": "not taken",
        "status": int(status[1]) if status else None,
        "away": bool(NO_WAY_THERE.search(said)),
    }


if __name__ == "__main__":
    main()
