"""As much of a cluster's API as a Vault asks when a service account logs in: is this token good?"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(slots=True)
class Cluster:
    """Its address, and the accounts ("namespace/name") that it no longer knows. Signatures are the Vault's to check.

    `ca` is there because a Vault wants one, although nobody asks for TLS here.
    """

    address: str = ""
    ca: str = ""
    gone: set[str] = field(default_factory=set)

    def review(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Answer a TokenReview."""
        body = asked["spec"]["token"].split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        inner = claims["kubernetes.io"]
        namespace, name = inner["namespace"], inner["serviceaccount"]["name"]
        user = {"username": f"system:serviceaccount:{namespace}:{name}", "uid": inner["serviceaccount"]["uid"]}
        status: dict[str, Any] = {"authenticated": True, "user": user, "audiences": claims.get("aud") or []}
        if f"{namespace}/{name}" in self.gone:
            status = {"authenticated": False, "error": "service account has been deleted"}
        return {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}


@contextmanager
def running(ca: str) -> Iterator[Cluster]:
    """Serve one on loopback until the context ends."""
    cluster = Cluster(ca=ca)

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            answer = json.dumps(cluster.review(asked)).encode()
            self.send_response_only(201)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, name="cluster", daemon=True)
        thread.start()
        cluster.address = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield cluster
        finally:
            server.shutdown()
            thread.join()
