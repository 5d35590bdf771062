"""What goes between Vault's HTTP front and its engines: a question, an answer, a refusal.

* Every answer is JSON with a newline at the end, `application/json` without a charset, `Cache-Control: no-store`.
* An engine that answers None means "nothing there": 404 with `{"errors":[]}` to a read or list, else 204.
* A refusal has a list of errors, which may be empty; Go's encoder escapes `&`, `<` and `>`.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from . import vault_texts as texts
from .http import Response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .vault_tokens import Token

Operation = Literal["read", "list", "create", "update", "patch", "delete", "head"]


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to an engine: the path is relative to its mount."""

    operation: Operation
    path: str
    now: datetime
    fields: Mapping[str, Any] = field(default_factory=dict)
    token: Token | None = None
    token_id: str | None = None  # as it was sent, good or bad
    mount: str = ""
    as_of: datetime | None = None  # reads are answered by a node that lags behind, and knows the world of then


@dataclass(frozen=True, slots=True)
class Answer:
    """An engine's answer, to be put into the envelope."""

    data: Mapping[str, Any] | None = None
    auth: Mapping[str, Any] | None = None
    status: int = 200
    warnings: tuple[str, ...] = ()
    lease_duration: int = 0
    injected: bool = False  # the fields of `data` also stand at the top level


class RefusedError(Exception):
    """An error answer: a status and what stands in `errors`."""

    def __init__(self, status: int, *errors: str, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """Take what is sent."""
        super().__init__(status, *errors)
        self.status = status
        self.errors = errors
        self.headers = headers


def unsupported() -> RefusedError:
    """Return the refusal of a method that the path does not know."""
    return RefusedError(405, texts.multierror(texts.UNSUPPORTED_OPERATION))


class EmptyAnswerError(Exception):
    """A status with no body at all."""

    def __init__(self, status: int) -> None:
        """Take the status."""
        super().__init__(status)
        self.status = status


def envelope(answer: Answer) -> dict[str, Any]:
    """Put an answer into the form of every logical endpoint."""
    body: dict[str, Any] = {
        "request_id": str(uuid.uuid4()),
        "lease_id": "",
        "renewable": False,
        "lease_duration": answer.lease_duration,
        "data": _in_order(answer.data),
        "wrap_info": None,
        "warnings": list(answer.warnings) or None,
        "auth": answer.auth,
    }
    if answer.injected and answer.data:
        return {**answer.data, **body}
    return body


def _in_order(content: Any) -> Any:
    """Sort the names in all objects, as Go prints maps."""
    if isinstance(content, dict):
        return {name: _in_order(content[name]) for name in sorted(content)}
    return [_in_order(each) for each in content] if isinstance(content, list) else content


def json_response(status: int, content: Any, *, content_type: str = "application/json") -> Response:
    """Encode as Go does."""
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False)
    for char in "&<>":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Response(status, (("Cache-Control", "no-store"), ("Content-Type", content_type)), text.encode() + b"\n")
