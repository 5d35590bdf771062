"""Vault's HTTP front: methods, paths, bodies, headers, namespaces. The same at the emulator and at a real server."""

from __future__ import annotations

import uuid
from http.client import HTTPConnection
from typing import Any

import pytest
import requests

from tests.sandbox.vault_stand import MERGE, Stand

DENIED = "1 error occurred:\n\t* permission denied\n\n"


def errors(got: requests.Response) -> tuple[int, list[str]]:
    return got.status_code, got.json()["errors"]


def raw(stand: Stand, method: str, target: str, body: bytes = b"") -> tuple[int, dict[str, str], bytes]:
    """Ask for a target exactly as it is written; clients tidy it up."""
    connection = HTTPConnection(stand.url.removeprefix("http://"), timeout=5)
    connection.request(method, target, body, {"X-Vault-Token": stand.root})
    got = connection.getresponse()
    answer = got.status, {name.lower(): value for name, value in got.getheaders()}, got.read()
    connection.close()
    return answer


def test_every_answer_is_json_without_a_charset_and_not_to_be_stored(stand: Stand) -> None:
    written, absent, deleted = stand.write("a"), stand.kv("GET", "data/nope"), stand.kv("DELETE", "data/a")

    for got in (written, absent, deleted):
        assert got.headers["Content-Type"] == "application/json"
        assert got.headers["Cache-Control"] == "no-store"
    assert written.content.endswith(b"}\n")
    assert absent.content == b'{"errors":[]}\n'


def test_a_404_with_a_body_is_the_one_answer_without_a_newline(stand: Stand) -> None:
    stand.write("a")
    stand.kv("DELETE", "data/a")

    assert stand.kv("GET", "data/a").content.endswith(b"}")


def test_names_are_sorted_and_html_is_escaped_as_go_does(stand: Stand) -> None:
    stand.write("a", {"z": "<&>", "a": "é"})

    assert '"data":{"a":"é","z":"\\u003c\\u0026\\u003e"}' in stand.kv("GET", "data/a").text


def test_put_and_post_are_the_same(stand: Stand) -> None:
    assert stand.kv("PUT", "data/a", {"data": {"k": "1"}}).json()["data"]["version"] == 1


def test_the_token_may_come_as_a_bearer(stand: Stand) -> None:
    stand.write("a")

    got = stand.kv("GET", "data/a", token=None, headers={"Authorization": f"Bearer {stand.root}"})

    assert got.status_code == 200


def test_what_is_not_under_v1_is_a_404(stand: Stand) -> None:
    assert requests.get(f"{stand.url}/foo", timeout=5).json() == {"errors": []}


@pytest.mark.parametrize("target", ["data//a", "data/x/../a", "data/./a", "//data/a"])
def test_an_unclean_path_is_redirected_to_the_clean_one(stand: Stand, target: str) -> None:
    clean = f"/v1/{stand.mount}/data/a"
    for method in ("GET", "POST"):
        status, headers, body = raw(stand, method, f"/v1/{stand.mount}/{target}".replace("///", "//"))

        assert (status, headers["location"]) == (307, clean)
        assert bool(body) == (method == "GET")


def test_an_encoded_dotted_segment_is_refused(stand: Stand) -> None:
    for target in ("data/%2e%2e/a", "data/a%2f..%2fb", "data/a%2f%2e"):
        status, _, body = raw(stand, "GET", f"/v1/{stand.mount}/{target}")

        assert (status, body) == (400, b'{"errors":["relative paths not supported"]}\n')


def test_odd_but_legal_segments_are_kept(stand: Stand) -> None:
    for path in ("a..b", "..x", "a%20b", "%C3%A9", "a%2fb"):
        assert raw(stand, "POST", f"/v1/{stand.mount}/data/{path}", b'{"data":{}}')[0] == 200

    assert stand.kv("LIST", "metadata").json()["data"]["keys"] == ["..x", "a b", "a..b", "a/", "é"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"data":{', "unexpected EOF"),
        (b'{"data"', "unexpected EOF"),
        (b"[1]", "json: cannot unmarshal array into Go value of type map[string]interface {}"),
        (b'"x"', "json: cannot unmarshal string into Go value of type map[string]interface {}"),
        (b"5", "json: cannot unmarshal number into Go value of type map[string]interface {}"),
        (b"true", "json: cannot unmarshal bool into Go value of type map[string]interface {}"),
        (b"{bad", "invalid character 'b'"),
        (b"data=1", "invalid character 'd' looking for beginning of value"),
        (b'{"data":{}} x', "invalid character 'x' looking for beginning of value"),
        (b'{"data":{},}', "invalid character '}' looking for beginning of object key string"),
    ],
)
def test_a_body_that_is_no_json_object_is_refused_before_the_token_is_looked_at(
    stand: Stand, body: bytes, said: str
) -> None:
    got = stand.kv("POST", "data/a", data=body, token="s.unknown")

    assert errors(got) == (400, [f"failed to decode JSON input: {said}"])


def test_a_body_may_be_empty_or_null(stand: Stand) -> None:
    for body in (b"", b" ", b"null"):
        assert errors(stand.kv("POST", "data/a", data=body)) == (400, ["no data provided"])


def test_a_body_of_too_many_strings_is_refused(stand: Stand) -> None:
    if not stand.is_openbao:
        pytest.skip("a limit of OpenBao's")
    said = "refused JSON input due to high complexity: exceeded maximum number of strings"

    assert errors(stand.write("a", {str(n): "x" for n in range(1200)})) == (400, [said])
    assert stand.write("a", {str(n): "x" for n in range(400)}).status_code == 200


def test_a_body_of_more_than_32_mib_is_413(stand: Stand) -> None:
    got = stand.kv("POST", "data/a", data=b'{"data":{"a":"' + b"x" * (32 * 1024 * 1024) + b'"}}')

    assert errors(got) == (413, ["http: request body too large"])


@pytest.mark.parametrize(
    ("content_type", "status", "said"),
    [
        (
            "application/json",
            415,
            "PATCH requires Content-Type of application/merge-patch+json, provided application/json",
        ),
        ("", 400, "mime: no media type"),
        ("application/merge-patch+json; charset=utf-8", 400, "no data provided"),
        ("Application/Merge-Patch+JSON", 400, "no data provided"),
    ],
)
def test_a_patch_needs_its_content_type_before_a_token(stand: Stand, content_type: str, status: int, said: str) -> None:
    token = "" if said == "no data provided" else None
    got = stand.kv("PATCH", "data/a", {}, headers={"Content-Type": content_type}, token=token)

    assert errors(got) == (status, [said])


def test_methods_that_nobody_knows_are_405(stand: Stand) -> None:
    assert errors(stand.kv("FOO", "data/a", token=None)) == (405, [])
    assert stand.kv("HEAD", "data/a").status_code == 405
    assert stand.kv("HEAD", "data/a", token=None).status_code == 403
    assert errors(stand.kv("OPTIONS", "data/a")) == (400, ["cannot handle internal-only request operation"])


def test_a_path_of_sys_or_auth_that_nobody_knows_is_404_to_root_and_403_to_others(stand: Stand) -> None:
    unsupported = ["1 error occurred:\n\t* unsupported path\n\n"]

    for path in ("sys/nothing", "auth/token/nothing"):
        assert errors(stand.call("GET", path)) == (404, unsupported)
        assert errors(stand.call("GET", path, token=stand.new_token())) == (403, [DENIED])
    assert errors(stand.call("POST", "auth/nothing/login", {}, token=None)) == (403, ["permission denied"])
    assert stand.call("POST", "auth/nothing/login", {}).status_code == 404


def test_health_answers_without_a_token_and_takes_other_codes(stand: Stand) -> None:
    got = stand.call("GET", "sys/health", token=None)

    assert got.status_code == 200
    assert (got.json()["initialized"], got.json()["sealed"], got.json()["standby"]) == (True, False, False)
    assert abs(got.json()["server_time_utc"] - stand.now().timestamp()) < 5
    assert {"version", "cluster_name", "cluster_id"} <= set(got.json())
    assert stand.call("GET", "sys/health?activecode=299", token=None).status_code == 299
    assert errors(stand.call("GET", "sys/health?activecode=x", token=None)) == (400, [])
    assert errors(stand.call("POST", "sys/health", {}, token=None)) == (405, [])
    head = stand.call("HEAD", "sys/health", token=None)
    assert (head.status_code, head.content) == (200, b"")


def test_seal_status_and_leader_answer_without_a_token(stand: Stand) -> None:
    assert stand.call("GET", "sys/seal-status", token=None).json()["sealed"] is False
    assert stand.call("GET", "sys/leader", token=None).json()["ha_enabled"] is False


# --- namespaces -----------------------------------------------------------------------------------------------


@pytest.fixture
def namespace(stand: Stand) -> str:
    if not stand.is_openbao:
        pytest.skip("no namespaces in Vault's community edition")
    name = f"n{uuid.uuid4().hex[:8]}"
    stand.operator.namespace(name)
    return name


def inside(name: str) -> dict[str, str]:
    return {"X-Vault-Namespace": name}


def test_a_namespace_is_named_by_header_or_by_path(stand: Stand, namespace: str) -> None:
    path = "secret/data/a"
    stand.call("POST", path, {"data": {"in": "it"}}, headers=inside(namespace))
    ways: list[dict[str, Any]] = [
        {"path": path, "headers": inside(namespace)},
        {"path": path, "headers": inside(f"{namespace}/")},
        {"path": path, "headers": inside(f"/{namespace}")},
        {"path": f"{namespace}/{path}"},
    ]

    for way in ways:
        assert stand.call("GET", **way).json()["data"]["data"] == {"in": "it"}
    assert stand.call("GET", f"{stand.mount}/data/a", headers=inside("root")).status_code == 404
    assert errors(stand.call("GET", f"{stand.mount}/data/a", headers=inside(namespace)))[0] == 404


def test_the_namespace_is_told_back(stand: Stand, namespace: str) -> None:
    got = stand.call("GET", "secret/data/a", headers=inside(namespace))

    assert got.headers["X-Vault-Namespace"] == namespace


def test_an_unknown_namespace_is_404_even_before_the_slash_at_the_end(stand: Stand, namespace: str) -> None:
    assert namespace
    unknown = (404, ["namespace not found"])

    assert errors(stand.call("GET", "secret/data/a", headers=inside("nope"), token=None)) == unknown
    assert errors(stand.call("POST", "secret/data/a/", {}, headers=inside("nope"), token=None)) == unknown


def test_health_is_not_to_be_had_in_a_namespace(stand: Stand, namespace: str) -> None:
    by_header = stand.call("GET", "sys/health", token=None, headers=inside(namespace))
    by_path = stand.call("GET", f"{namespace}/sys/health", token=None)

    assert errors(by_header) == (400, ["operation unavailable in namespaces"])
    assert errors(by_path) == (400, ["operation only available in root namespace"])
    assert stand.call("GET", "sys/leader", token=None, headers=inside(namespace)).status_code == 200


def test_a_token_of_one_namespace_may_nothing_in_another_but_asks_about_itself_anywhere(
    stand: Stand, namespace: str
) -> None:
    token = stand.new_token({"{m}/*": ["read"], "secret/*": ["read"]})

    assert errors(stand.call("GET", "secret/data/a", token=token, headers=inside(namespace))) == (403, [DENIED])
    asked = stand.call("GET", "auth/token/lookup-self", token=token, headers=inside(namespace))
    assert asked.status_code == 200


def test_a_policy_may_name_paths_in_the_namespaces_below(stand: Stand, namespace: str) -> None:
    token = stand.new_token({f"{namespace}/secret/data/*": ["create", "read"]})

    got = stand.call("POST", "secret/data/a", {"data": {}}, token=token, headers=inside(namespace))

    assert got.status_code == 200


def test_a_wrapping_token_opens_in_any_namespace_and_tells_the_path_inside_its_own(
    stand: Stand, namespace: str
) -> None:
    stand.call("POST", "secret/data/a", {"data": {"in": "it"}}, headers=inside(namespace))

    for where in (inside(namespace), {}):
        wrap = inside(namespace) | {"X-Vault-Wrap-TTL": "60"}
        info = stand.call("GET", "secret/data/a", headers=wrap).json()["wrap_info"]
        looked = stand.call("POST", "sys/wrapping/lookup", {"token": info["token"]}, token=None, headers=where)
        opened = stand.call("POST", "sys/wrapping/unwrap", token=info["token"], headers=where)

        assert info["creation_path"] == looked.json()["data"]["creation_path"] == "secret/data/a"
        assert opened.json()["data"]["data"] == {"in": "it"}


def test_a_wrapping_token_is_opened_by_a_token_of_any_namespace(stand: Stand, namespace: str) -> None:
    stand.call("POST", "secret/data/a", {"data": {"in": "it"}}, headers=inside(namespace))
    mine = stand.new_token()

    for where in (inside(namespace), {}):
        wrap = inside(namespace) | {"X-Vault-Wrap-TTL": "60"}
        token = stand.call("GET", "secret/data/a", headers=wrap).json()["wrap_info"]["token"]

        opened = stand.call("POST", "sys/wrapping/unwrap", {"token": token}, token=mine, headers=where)

        assert opened.json()["data"]["data"] == {"in": "it"}


def test_a_patch_is_a_capability_of_its_own(stand: Stand) -> None:
    stand.write("a")
    updater = stand.new_token({"{m}/data/*": ["create", "update", "read"]})
    patcher = stand.new_token({"{m}/data/*": ["patch"]})

    assert errors(stand.kv("PATCH", "data/a", {"data": {}}, headers=MERGE, token=updater)) == (403, [DENIED])
    assert stand.kv("PATCH", "data/a", {"data": {}}, headers=MERGE, token=patcher).status_code == 200
