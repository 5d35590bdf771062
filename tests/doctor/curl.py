"""One exchange over HTTP, written down as `curl -v` does."""

from __future__ import annotations

import base64
import http.client
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE = "application/x-www-form-urlencoded"


def captured(
    url: str, form: Mapping[str, str], *, query: Mapping[str, str] | None = None, basic: str = "", raw: bool = False
) -> str:
    """Send the form and return the log; `basic` is put into base64 unless it is raw."""
    parts = urlsplit(url)
    target = f"{parts.path}?{urlencode(query)}" if query else parts.path
    headers = {"Host": parts.netloc, "User-Agent": "curl/8.5.0", "Accept": "*/*", "Content-Type": TYPE}
    if basic:
        encoded = basic if raw else base64.b64encode(basic.encode()).decode()
        headers["Authorization"] = f"Basic {encoded}"
    body = urlencode(form)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("POST", target, body, headers)
    answer = connection.getresponse()
    said = answer.read().decode()
    connection.close()
    lines = [f"* Connected to {parts.netloc}", f"> POST {target} HTTP/1.1"]
    lines += [f"> {name}: {text}" for name, text in headers.items()]
    lines += [">", "} [99 bytes data]", f"< HTTP/1.1 {answer.status} {answer.reason}"]
    lines += [f"< {name}: {text}" for name, text in answer.getheaders()]
    return "\n".join([*lines, "<", "{ [138 bytes data]", f"* Connection #0 to host {parts.hostname} left intact", said])
