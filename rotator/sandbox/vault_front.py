"""Vault's HTTP front: from bytes to a question, from an answer or refusal to bytes (contracts: Vault 1.2, 1.4, 3.5).

* Before anything else: paths outside `/v1/` are 404, a path that is not clean is redirected (307) to the clean one,
  an encoded `..` is refused, an unknown namespace is 404, and a few `sys/` paths exist outside namespaces only.
* The method, the content type of a PATCH and the JSON of a body are checked before the token.
* `GET ?list=true` is a LIST; a list's path always gets its slash at the end.
"""

from __future__ import annotations

import json
import posixpath
from typing import TYPE_CHECKING, Any

from . import vault_texts as texts
from .http import Response
from .vault_answers import Answer, Ask, EmptyAnswerError, RefusedError, envelope, json_response

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from .http import Request
    from .vault_answers import Operation

PREFIX = "/v1/"
MERGE_PATCH = "application/merge-patch+json"
MAX_BODY = 32 * 1024 * 1024
MAX_STRINGS = 1000
_METHODS: dict[str, Operation] = {
    "GET": "read",
    "LIST": "list",
    "POST": "update",
    "PUT": "update",
    "PATCH": "patch",
    "DELETE": "delete",
    "HEAD": "head",
}
_TRUE, _FALSE = ("1", "t", "T", "TRUE", "true", "True"), ("", "0", "f", "F", "FALSE", "false", "False")


def token_of(request: Request) -> str | None:
    """Return the token that came with the request."""
    if token := request.header("x-vault-token"):
        return token
    bearer = request.header("authorization") or ""
    return bearer[7:].strip() if bearer.startswith("Bearer ") else None


def clean_path(request: Request) -> Response | None:
    """Return the redirect of a path with empty or dotted segments, as Go's mux sends it; encoded ones are refused."""
    if not request.path.startswith(PREFIX):
        raise RefusedError(404)
    raw = request.raw_path or request.path
    clean = posixpath.normpath(raw).replace("//", "/")
    clean += "/" if raw.endswith("/") and not clean.endswith("/") else ""
    if clean != raw:
        return _redirect(request, clean)
    if {".", ".."} & set(request.path.split("/")):
        raise RefusedError(400, texts.RELATIVE_PATH)
    return None


def _redirect(request: Request, path: str) -> Response:
    query = request.target.removeprefix(request.path)
    headers = (("Cache-Control", "no-store"), ("Location", path + query))
    if request.method != "GET":
        return Response(307, headers)
    page = f'<a href="{path + query}">Temporary Redirect</a>.\n\n'.encode()
    return Response(307, (*headers, ("Content-Type", "text/html; charset=utf-8")), page)


def operation_of(request: Request) -> Operation:
    """Return what the method asks for."""
    if request.method == "OPTIONS":
        raise RefusedError(400, texts.INTERNAL_ONLY)
    operation = _METHODS.get(request.method)
    if operation is None:
        raise RefusedError(405)
    if operation == "read" and (listed := request.param("list")) is not None:
        if listed not in _TRUE + _FALSE:
            raise RefusedError(400)
        return "list" if listed in _TRUE else "read"
    return operation


def fields_of(request: Request, operation: Operation) -> Mapping[str, Any]:
    """Return the fields: of the query for reads, of the JSON body for writes."""
    if operation in ("read", "list", "delete", "head"):
        # Only a GET takes `list` for itself; to a LIST it is a parameter like any other.
        return {name: value for name, value in request.query if name != "list" or request.method != "GET"}
    if len(request.body) > MAX_BODY:
        raise RefusedError(413, texts.BODY_TOO_LARGE, headers=(("Connection", "close"),))
    if operation == "patch":
        _check_merge_patch(request.header("content-type"))
    if not request.body.strip():
        return {}
    try:
        content = json.loads(request.body)
    except ValueError:
        raise RefusedError(400, "failed to decode JSON input: " + _json_problem(request.body)) from None
    if _strings_in(content) > MAX_STRINGS:
        raise RefusedError(400, texts.TOO_COMPLEX)
    if content is None:
        return {}
    if not isinstance(content, dict):
        kinds = {list: "array", str: "string", bool: "bool"}
        kind = kinds.get(type(content), "number")
        unfit = f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"
        raise RefusedError(400, f"failed to decode JSON input: {unfit}")
    return content


def ask_of(request: Request, path: str, now: datetime) -> Ask:
    """Turn a request into a question; `path` is relative to the namespace."""
    operation = operation_of(request)
    fields = fields_of(request, operation)
    if operation == "list" and not path.endswith("/"):
        path += "/"
    return Ask(operation, path, now, fields)


def encoded(
    answer: Answer | None, operation: Operation, *, content_type: str, mount_type: str | None = None
) -> Response:
    """Turn an engine's answer into a response."""
    if answer is None:
        if operation in ("read", "list"):
            raise RefusedError(404)
        return Response(204, (("Cache-Control", "no-store"), ("Content-Type", content_type)))
    body = envelope(answer)
    if mount_type:
        body["mount_type"] = mount_type
    response = json_response(answer.status, body, content_type=content_type)
    if answer.status == 404:  # the one place where the newline is missing
        return Response(response.status, response.headers, response.body.rstrip(b"\n"))
    return response


def refused(refusal: RefusedError, *, content_type: str) -> Response:
    """Turn a refusal into a response."""
    response = json_response(refusal.status, {"errors": list(refusal.errors)}, content_type=content_type)
    return response.with_headers(*refusal.headers)


def emptied(empty: EmptyAnswerError, *, content_type: str) -> Response:
    """Turn an empty answer into a response."""
    return Response(empty.status, (("Cache-Control", "no-store"), ("Content-Type", content_type)))


def _strings_in(content: Any) -> int:
    if isinstance(content, dict):
        return len(content) + sum(_strings_in(value) for value in content.values())
    if isinstance(content, list):
        return sum(_strings_in(value) for value in content)
    return isinstance(content, str)


def _check_merge_patch(content_type: str | None) -> None:
    if not content_type:
        raise RefusedError(400, "mime: no media type")
    media = content_type.partition(";")[0].strip().lower()
    if media != MERGE_PATCH:
        raise RefusedError(415, texts.merge_patch_only(media))


def _json_problem(body: bytes) -> str:
    try:
        json.loads(body.decode("latin-1"))
    except json.JSONDecodeError as problem:
        at = problem.pos + problem.msg.startswith("Illegal trailing comma")  # Python 3.13 points at the comma
        before, after = problem.doc[:at].rstrip(), problem.doc[at:].lstrip()
        if not after:
            return "unexpected EOF"
        found = f"invalid character '{after[0]}'" if after[0] != "'" else r"invalid character '\''"
        if before.endswith(","):
            return f"{found} looking for beginning of object key string"
        return found if before.endswith("{") else f"{found} looking for beginning of value"
    return "unexpected EOF"
