"""What every answer has, and what is refused before anybody looks closer (contracts: Okta 1.5, 1.6)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

import pytest

from .okta_client import FORM, org

APPS = "/api/v1/apps"


def test_answers_carry_the_front_end_s_headers() -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.get(f"{APPS}/{app.id}")

    assert answer.header("content-type") == "application/json"
    assert answer.header("cache-control") == "no-cache, no-store"
    assert (answer.header("pragma"), answer.header("expires")) == ("no-cache", "0")
    assert answer.header("strict-transport-security") == "max-age=315360000; includeSubDomains"
    assert answer.header("x-content-type-options") == "nosniff"
    assert (answer.header("vary"), answer.header("server")) == ("Accept-Encoding", "nginx")
    assert {"referrer-policy", "p3p", "accept-ch"} <= {name for name, _ in answer.headers}


def test_every_answer_has_an_id_of_its_own() -> None:
    _, admin = org()

    ids = {admin.get(path).header("x-okta-request-id") or "" for path in (APPS, APPS, "/nowhere")}

    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in ids)


def test_answers_set_cookies_that_nobody_needs() -> None:
    _, admin = org()

    names = [cookie.partition("=")[0] for cookie in admin.get(APPS).all("set-cookie")]

    assert names == ["sid", "xids", "JSESSIONID"]


def test_the_date_is_the_sandbox_s() -> None:
    okta, admin = org()

    date = parsedate_to_datetime(admin.get(APPS).header("date") or "")

    assert date == okta.org.clock.now().replace(microsecond=0)


def test_a_refusal_has_an_envelope_with_an_id() -> None:
    _, admin = org()

    document = admin.get("/nowhere").document

    assert list(document) == ["errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"]
    assert re.fullmatch(r"oae[A-Za-z0-9_-]{22,23}", document["errorId"])
    assert document["errorCauses"] == []


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/", "/api/v1/apps/", "/api/v1/apps//credentials/secrets"])
def test_an_unknown_path_is_not_found(path: str) -> None:
    _, admin = org()

    answer = admin.get(path)
    document = answer.document

    assert answer.status == 404
    assert (document["errorCode"], document["errorSummary"]) == ("E0000008", "The requested path was not found")


def test_an_unknown_method_is_not_allowed() -> None:
    _, admin = org()

    answer = admin.call("PATCH", APPS)

    assert (answer.status, answer.document["errorCode"]) == (405, "E0000022")
    assert answer.document["errorSummary"] == "The endpoint does not support the provided HTTP method"


@pytest.mark.parametrize("body", [b"{", b'{"client_secret": }', b"\xff\xfe"])
def test_broken_json_is_not_well_formed(body: bytes) -> None:
    okta, admin = org()
    app = okta.add_app()

    path = f"{APPS}/{app.id}/credentials/secrets"
    answer = admin.call("POST", path, headers={"content-type": "application/json"}, body=body)

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000003")
    assert answer.document["errorSummary"] == "The request body was not well-formed."


@pytest.mark.parametrize("kind", ["text/plain", FORM, None])
def test_a_body_of_another_media_type_is_refused(kind: str | None) -> None:
    okta, admin = org()
    app = okta.add_app()

    path = f"{APPS}/{app.id}/credentials/secrets"
    answer = admin.call("POST", path, headers={"content-type": kind}, body=b"{}")

    assert (answer.status, answer.document["errorCode"]) == (400, "E0000021")


def test_a_media_type_may_have_parameters() -> None:
    okta, admin = org()
    app = okta.add_app()

    path = f"{APPS}/{app.id}/credentials/secrets"
    answer = admin.call("POST", path, headers={"content-type": "application/json; charset=utf-8"}, body=b"{}")

    assert answer.status == 201


def test_a_post_without_a_length_is_refused_by_the_front_end() -> None:
    okta, admin = org()
    app = okta.add_app()

    answer = admin.call("POST", f"{APPS}/{app.id}/credentials/secrets", headers={"content-length": None})

    assert (answer.status, answer.header("content-type")) == (411, "text/html")
    assert len(app.secrets) == 1


def test_a_chunked_post_needs_no_length() -> None:
    okta, admin = org()
    app = okta.add_app()

    path = f"{APPS}/{app.id}/credentials/secrets"
    headers: dict[str, str | None] = {"content-length": None, "transfer-encoding": "chunked"}

    assert admin.call("POST", path, headers=headers).status == 201


def test_the_journal_can_ask_what_kind_of_call_a_request_is() -> None:
    okta, admin = org()
    paths = ("/api/v1/apps/0oa1/credentials/secrets", "/api/v1/apps/0oa1", "/oauth2/v1/keys", "/nowhere")

    kinds = [okta.kind_of(admin.request("GET", path)) for path in paths]

    assert kinds == [
        ("GET /api/v1/apps/{app}/credentials/secrets", "apps"),
        ("GET /api/v1/apps/{app}", "app"),
        ("GET /oauth2/v1/keys", None),
        ("GET", None),
    ]
    assert okta.kind_of(admin.request("POST", "/oauth2/default/v1/token"))[1] == "token:default"
