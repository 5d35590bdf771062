"""KV v2: versions, deletion, CAS, metadata. The same at the emulator and at a real server."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.vault_stand import MERGE, Stand

if TYPE_CHECKING:
    import requests

CAS_REQUIRED = "check-and-set parameter required for this call"
CAS_MISMATCH = "check-and-set parameter did not match the current version"
CAS_UNREADABLE = "error parsing check-and-set parameter"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")


def errors(got: requests.Response) -> tuple[int, list[str]]:
    return got.status_code, got.json()["errors"]


def current(stand: Stand, path: str = "a") -> Any:
    return stand.kv("GET", f"data/{path}").json()["data"]["data"]


def test_a_write_answers_200_with_the_new_versions_metadata(stand: Stand) -> None:
    got = stand.write("a", {"k": "1"})

    assert got.status_code == 200
    data = got.json()["data"]
    assert TIME.fullmatch(data.pop("created_time"))
    assert data == {"custom_metadata": None, "deletion_time": "", "destroyed": False, "version": 1}


def test_times_have_nanoseconds(stand: Stand) -> None:
    times = [stand.write("a").json()["data"]["created_time"] for _ in range(5)]

    assert max(len(time) for time in times) == len("2026-01-02T03:04:05.678901234Z")


def test_a_read_answers_fields_and_metadata_of_the_current_or_the_named_version(stand: Stand) -> None:
    first = stand.write("a", {"k": "1"}).json()["data"]
    stand.write("a", {"k": "2"})

    assert current(stand) == {"k": "2"}
    assert stand.kv("GET", "data/a?version=1").json()["data"] == {"data": {"k": "1"}, "metadata": first}
    for same in ("0", "-1", ""):
        assert stand.kv("GET", f"data/a?version={same}").json()["data"]["metadata"]["version"] == 2


def test_the_envelope_is_the_same_everywhere(stand: Stand) -> None:
    got = stand.write("a").json()

    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", got.pop("request_id"))
    del got["data"]
    got.pop("mount_type", None)
    empty = {"lease_id": "", "renewable": False, "lease_duration": 0, "wrap_info": None, "warnings": None, "auth": None}
    assert got == empty


def test_fields_come_back_as_they_were_sent(stand: Stand) -> None:
    fields = {"text": "é<&>\n", "n": 5, "f": 1.5, "yes": True, "none": None, "list": [1, {"a": "b"}], "map": {"x": {}}}
    stand.write("a", fields)

    assert current(stand) == fields


def test_what_was_never_written_is_a_404_without_errors(stand: Stand) -> None:
    stand.write("a")

    assert errors(stand.kv("GET", "data/nope")) == (404, [])
    assert errors(stand.kv("GET", "data/a?version=9")) == (404, [])
    assert errors(stand.kv("GET", "metadata/nope")) == (404, [])
    assert errors(stand.kv("GET", "subkeys/nope")) == (404, [])


@pytest.mark.parametrize(
    ("cas", "expected"),
    [
        pytest.param(2, 200, id="the current number"),
        pytest.param("2", 200, id="in quotes"),
        pytest.param(1, CAS_MISMATCH, id="an older one"),
        pytest.param(3, CAS_MISMATCH, id="the next one"),
        pytest.param(0, CAS_MISMATCH, id="zero although it exists"),
        pytest.param(-1, CAS_MISMATCH, id="negative"),
        pytest.param(None, CAS_MISMATCH, id="null counts as zero"),
        pytest.param(True, CAS_MISMATCH, id="true counts as one"),
        pytest.param("x", CAS_UNREADABLE, id="no number"),
        pytest.param(2.0, CAS_UNREADABLE, id="a fraction"),
        pytest.param([2], CAS_UNREADABLE, id="a list"),
        pytest.param({}, CAS_UNREADABLE, id="an object"),
    ],
)
def test_cas_is_compared_with_the_current_number(stand: Stand, cas: Any, expected: int | str) -> None:
    stand.write("a")
    stand.write("a")

    got = stand.kv("POST", "data/a", {"data": {}, "options": {"cas": cas}})

    assert got.status_code == 200 if expected == 200 else errors(got) == (400, [expected])


@pytest.mark.parametrize("at", ["config", "metadata/a"])
def test_cas_can_be_required_for_a_mount_or_for_a_key(stand: Stand, at: str) -> None:
    stand.kv("POST", at, {"cas_required": True})

    assert errors(stand.write("a")) == (400, [CAS_REQUIRED])
    assert stand.write("a", cas=0).status_code == 200
    assert errors(stand.kv("PATCH", "data/a", {"data": {}}, headers=MERGE)) == (400, [CAS_REQUIRED])


def test_cas_after_destroying_is_still_the_number(stand: Stand) -> None:
    stand.write("a")
    stand.kv("POST", "destroy/a", {"versions": [1]})

    assert errors(stand.write("a", cas=0)) == (400, [CAS_MISMATCH])
    assert stand.write("a", cas=1).json()["data"]["version"] == 2


def test_deleting_the_metadata_starts_the_counter_anew(stand: Stand) -> None:
    stand.write("a")
    stand.write("a")
    assert stand.kv("DELETE", "metadata/a").status_code == 204

    assert errors(stand.kv("GET", "metadata/a")) == (404, [])
    assert stand.write("a", cas=0).json()["data"]["version"] == 1
    assert stand.kv("DELETE", "metadata/nope").status_code == 204


def test_a_soft_delete_hides_the_current_version_with_a_body(stand: Stand) -> None:
    stand.write("a", {"k": "1"})
    first = stand.kv("DELETE", "data/a")
    got = stand.kv("GET", "data/a")

    assert (first.status_code, first.content) == (204, b"")
    assert got.status_code == 404
    assert got.json()["data"]["data"] is None
    assert TIME.fullmatch(got.json()["data"]["metadata"]["deletion_time"])
    assert got.json()["data"]["metadata"]["destroyed"] is False


def test_deleting_twice_or_what_is_not_there_changes_nothing(stand: Stand) -> None:
    stand.write("a")
    stand.kv("DELETE", "data/a")
    before = stand.metadata("a")
    stand.wait(0.01)

    assert stand.kv("DELETE", "data/a").status_code == 204
    assert stand.kv("POST", "delete/a", {"versions": [1, 9]}).status_code == 204
    assert stand.kv("DELETE", "data/nope").status_code == 204
    assert stand.metadata("a")["versions"] == before["versions"]


def test_named_versions_are_deleted_and_undeleted(stand: Stand) -> None:
    for number in ("1", "2", "3"):
        stand.write("a", {"n": number})
    stand.kv("POST", "delete/a", {"versions": [1, "3"]})
    hidden = [stand.kv("GET", f"data/a?version={number}").status_code for number in (1, 2, 3)]
    stand.kv("POST", "undelete/a", {"versions": "1,3"})
    shown = [stand.kv("GET", f"data/a?version={number}").status_code for number in (1, 2, 3)]

    assert (hidden, shown) == ([404, 200, 404], [200, 200, 200])
    assert stand.metadata("a")["versions"]["3"]["deletion_time"] == ""


def test_destroying_is_final_and_keeps_the_entry(stand: Stand) -> None:
    stand.write("a", {"k": "1"})
    stand.kv("POST", "delete/a", {"versions": [1]})
    assert stand.kv("POST", "destroy/a", {"versions": [1]}).status_code == 204
    stand.kv("POST", "undelete/a", {"versions": [1]})

    assert stand.kv("GET", "data/a").status_code == 404
    entry = stand.metadata("a")["versions"]["1"]
    assert entry["destroyed"] is True
    assert TIME.fullmatch(entry["deletion_time"])
    assert stand.metadata("a")["current_version"] == 1


@pytest.mark.parametrize(
    ("verb", "said"),
    [
        ("delete", "No version number provided"),
        ("undelete", "No version number provided"),
        ("destroy", "no version number provided"),
    ],
)
@pytest.mark.parametrize("body", [{}, {"versions": []}, {"versions": None}])
def test_versions_must_be_named(stand: Stand, verb: str, said: str, body: Any) -> None:
    assert errors(stand.kv("POST", f"{verb}/a", body)) == (400, [said])


@pytest.mark.parametrize(
    ("key", "mount", "kept"),
    [
        pytest.param(3, 0, 3, id="the key's limit alone"),
        pytest.param(0, 4, 4, id="the mount's limit alone"),
        pytest.param(3, 5, 5, id="the greater one: a smaller limit at the key has no effect"),
        pytest.param(6, 5, 6, id="the greater one, at the key"),
    ],
)
def test_the_greater_limit_of_versions_holds(stand: Stand, key: int, mount: int, kept: int) -> None:
    stand.kv("POST", "config", {"max_versions": mount})
    stand.kv("POST", "metadata/a", {"max_versions": key})
    for _ in range(9):
        stand.write("a")

    told = stand.metadata("a")

    assert sorted(map(int, told["versions"])) == list(range(10 - kept, 10))
    assert told["oldest_version"] == 10 - kept


def test_a_lowered_limit_acts_at_the_next_write(stand: Stand) -> None:
    for _ in range(8):
        stand.write("a")
    stand.kv("POST", "metadata/a", {"max_versions": 2})
    before = len(stand.metadata("a")["versions"])
    stand.write("a")

    assert (before, len(stand.metadata("a")["versions"])) == (8, 2)


@pytest.mark.parametrize(
    ("key", "mount", "life"),
    [
        pytest.param("10s", "0s", 10, id="the key's"),
        pytest.param("0s", "20s", 20, id="the mount's"),
        pytest.param("30s", "20s", 20, id="the shorter one"),
        pytest.param("10s", "-1s", None, id="a negative one at the mount switches it off"),
        pytest.param("0s", "0s", None, id="none"),
    ],
)
def test_new_versions_die_after_the_shorter_life(stand: Stand, key: str, mount: str, life: int | None) -> None:
    stand.kv("POST", "config", {"delete_version_after": mount})
    stand.kv("POST", "metadata/a", {"delete_version_after": key})
    data = stand.write("a").json()["data"]

    if life is None:
        assert data["deletion_time"] == ""
    else:
        assert int(data["deletion_time"][17:19]) == (int(data["created_time"][17:19]) + life) % 60


def test_undeleting_counts_the_life_anew(stand: Stand) -> None:
    stand.kv("POST", "metadata/a", {"delete_version_after": "1h"})
    first = stand.write("a").json()["data"]["deletion_time"]
    stand.kv("POST", "delete/a", {"versions": [1]})
    stand.wait(0.05)
    stand.kv("POST", "undelete/a", {"versions": [1]})

    assert stand.metadata("a")["versions"]["1"]["deletion_time"] > first
    assert stand.kv("GET", "data/a").status_code == 200


def test_a_patch_merges_as_rfc_7396(stand: Stand) -> None:
    stand.write("a", {"keep": "1", "drop": "2", "deep": {"x": "1", "y": "2"}, "flat": "3"})
    patch = {"drop": None, "deep": {"y": None, "z": "4"}, "flat": {"now": "deep"}, "new": ["l"]}

    assert stand.kv("PATCH", "data/a", {"data": patch, "options": {"cas": 1}}, headers=MERGE).status_code == 200
    assert current(stand) == {"keep": "1", "deep": {"x": "1", "z": "4"}, "flat": {"now": "deep"}, "new": ["l"]}


def test_a_patch_of_a_deleted_version_is_a_404_with_its_metadata(stand: Stand) -> None:
    stand.write("a")
    stand.kv("DELETE", "data/a")

    got = stand.kv("PATCH", "data/a", {"data": {"k": "1"}}, headers=MERGE)

    assert got.status_code == 404
    assert set(got.json()["data"]) == {"version", "created_time", "deletion_time", "destroyed", "custom_metadata"}


def test_a_patch_checks_its_cas(stand: Stand) -> None:
    stand.write("a")

    got = stand.kv("PATCH", "data/a", {"data": {}, "options": {"cas": 0}}, headers=MERGE)

    assert errors(got) == (400, [CAS_MISMATCH])


def test_null_as_data_is_stored_and_read_back_as_null_with_200(stand: Stand) -> None:
    stand.kv("POST", "data/a", {"data": None})
    got = stand.kv("GET", "data/a")

    assert (got.status_code, got.json()["data"]["data"]) == (200, None)
    failed = stand.kv("PATCH", "data/a", {"data": {"k": "1"}}, headers=MERGE)
    assert errors(failed) == (500, ["1 error occurred:\n\t* resource does not exist\n\n"])


@pytest.mark.parametrize("body", [{}, {"k": "1"}, {"options": {"cas": 0}}, None])
def test_a_body_without_data_is_refused(stand: Stand, body: Any) -> None:
    assert errors(stand.kv("POST", "data/a", body)) == (400, ["no data provided"])


_MAP = "map[string]interface {}"


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("data/a", {"data": "x"}, f"field \"data\": '' expected type '{_MAP}', got unconvertible type 'string'"),
        (
            "data/a",
            {"data": [1]},
            f"field \"data\": '[0]' expected type '{_MAP}', got unconvertible type 'json.Number'",
        ),
        ("data/a", {"data": {}, "options": 5}, 'field "options"'),
        ("metadata/a", {"max_versions": "x"}, "field \"max_versions\": '' cannot parse value as 'int'"),
        ("metadata/a", {"cas_required": "x"}, "field \"cas_required\": '' cannot parse value as 'bool'"),
        ("metadata/a", {"delete_version_after": "x"}, 'field "delete_version_after": time: invalid duration "x"'),
        ("metadata/a", {"delete_version_after": "-5s"}, "cannot provide negative value '-5'"),
        ("delete/a", {"versions": ["x"]}, 'Field validation failed: error converting input for field "versions"'),
    ],
)
def test_a_field_of_a_wrong_type_is_named(stand: Stand, path: str, body: Any, said: str) -> None:
    got = stand.kv("POST", path, body)

    assert got.status_code == 400
    assert said in got.json()["errors"][0]
    # The contract has the long form only; where the key is looked for first, a real server says the short one.
    assert got.json()["errors"][0].startswith("Field validation failed") == path.startswith("delete")


def test_a_field_that_nobody_knows_is_warned_of(stand: Stand) -> None:
    got = stand.kv("POST", "data/a", {"data": {}, "cas": 0})

    assert got.json()["warnings"] == ["Endpoint ignored these unrecognized parameters: [cas]"]


def test_subkeys_are_names_without_values_down_to_a_depth(stand: Stand) -> None:
    stand.write("a", {"deep": {"er": {"x": "1"}}, "empty": {}, "list": [1], "text": "2"})

    def subkeys(depth: str) -> Any:
        return stand.kv("GET", f"subkeys/a{depth}").json()["data"]["subkeys"]

    rest = {"empty": None, "list": None, "text": None}
    assert subkeys("") == {"deep": {"er": {"x": None}}, **rest}
    assert subkeys("?depth=1") == {"deep": None, **rest}
    assert subkeys("?depth=2") == {"deep": {"er": None}, **rest}


def test_the_metadata_tell_settings_and_versions(stand: Stand) -> None:
    stand.write("a")
    stand.kv("POST", "metadata/a", {"delete_version_after": "3h25m19s", "max_versions": 7, "cas_required": True})
    told = stand.metadata("a")

    assert told["delete_version_after"] == "3h25m19s"
    assert (told["max_versions"], told["cas_required"], told["oldest_version"]) == (7, True, 0)
    assert set(told["versions"]["1"]) >= {"created_time", "deletion_time", "destroyed"}
    assert TIME.fullmatch(told["updated_time"])
    assert told["updated_time"] > told["created_time"]


def test_custom_metadata_come_with_every_read_and_write(stand: Stand) -> None:
    stand.kv("POST", "metadata/a", {"custom_metadata": {"k": "v"}})

    assert stand.write("a").json()["data"]["custom_metadata"] == {"k": "v"}
    assert stand.kv("GET", "data/a").json()["data"]["metadata"]["custom_metadata"] == {"k": "v"}


def test_metadata_without_any_of_its_fields_are_left_alone(stand: Stand) -> None:
    assert stand.kv("POST", "metadata/a", {"foo": 1}).status_code == 204
    assert errors(stand.kv("GET", "metadata/a")) == (404, [])
    assert stand.kv("PATCH", "metadata/a", {}, headers=MERGE).status_code == 204


def test_a_patch_of_absent_metadata_is_a_404_without_a_body(stand: Stand) -> None:
    got = stand.kv("PATCH", "metadata/a", {"max_versions": 1}, headers=MERGE)

    assert (got.status_code, got.content) == (404, b"")


def test_posted_custom_metadata_become_strings_and_patched_ones_do_not(stand: Stand) -> None:
    stand.kv("POST", "metadata/a", {"custom_metadata": {"t": True, "f": False, "n": 5, "d": 1.5}})
    patched = stand.kv("PATCH", "metadata/a", {"custom_metadata": {"t": True}}, headers=MERGE)

    assert stand.metadata("a")["custom_metadata"] == {"t": "1", "f": "0", "n": "5", "d": "1.5"}
    assert patched.status_code == 500


@pytest.mark.parametrize(
    ("custom", "said"),
    [
        ({"k" * 129: "x"}, 'length of key "' + "k" * 129 + '" is 129 but must be 0 < len(key) <= 128'),
        ({"": "x"}, 'length of key "" is 0 but must be 0 < len(key) <= 128'),
        ({"k": ""}, 'length of value for key "k" is 0 but must be 0 < len(value) <= 512'),
        ({"k": "é" * 257}, 'length of value for key "k" is 514 but must be 0 < len(value) <= 512'),
        ({"k": None}, 'length of value for key "k" is 0 but must be 0 < len(value) <= 512'),
        ({str(n): "x" for n in range(65)}, "payload must contain at most 64 keys, provided 65"),
        ({"k": "a\nb"}, 'value for key "k" contains unprintable characters'),
        ({"k\t": "x"}, 'key "k\\t" (k\t) contains unprintable characters'),
    ],
)
def test_custom_metadata_have_limits_in_bytes(stand: Stand, custom: dict[str, Any], said: str) -> None:
    got = stand.kv("POST", "metadata/a", {"custom_metadata": custom})

    assert errors(got) == (400, [f"1 error occurred:\n\t* custom_metadata validation failed: {said}\n\n"])


def test_all_faults_of_custom_metadata_are_told_at_once(stand: Stand) -> None:
    got = stand.kv("POST", "metadata/a", {"custom_metadata": {"a": "", "b": "x" * 513}})

    assert got.json()["errors"][0].startswith("2 errors occurred:\n\t* custom_metadata")


def test_nested_custom_metadata_are_refused(stand: Stand) -> None:
    got = stand.kv("POST", "metadata/a", {"custom_metadata": {"a": {"b": "c"}}})

    unfit = "'' expected type 'string', got unconvertible type 'map[string]interface {}'"
    assert errors(got) == (400, [f"custom_metadata validation failed: {unfit}"])


def test_openbao_metadata_have_a_cas_of_their_own(stand: Stand) -> None:
    if not stand.is_openbao:
        pytest.skip("Vault has none")
    must_be_zero = "metadata_cas must be 0 when creating new metadata"
    mismatch = "metadata check-and-set parameter does not match the current version"
    assert errors(stand.kv("POST", "metadata/a", {"max_versions": 1, "metadata_cas": 1})) == (400, [must_be_zero])
    stand.kv("POST", "metadata/a", {"metadata_cas_required": True, "metadata_cas": 0})
    missing = stand.kv("POST", "metadata/a", {"max_versions": 2})
    wrong = stand.kv("PATCH", "metadata/a", {"max_versions": 2, "metadata_cas": 5}, headers=MERGE)
    right = stand.kv("PATCH", "metadata/a", {"max_versions": 2, "metadata_cas": 1}, headers=MERGE)

    assert errors(missing) == (400, ["metadata check-and-set parameter required for this call"])
    assert errors(wrong) == (400, [mismatch])
    assert right.status_code == 204
    assert stand.metadata("a")["current_metadata_version"] == 2


def test_a_setting_that_the_mount_overrules_is_warned_of(stand: Stand) -> None:
    stand.kv("POST", "config", {"cas_required": True})
    got = stand.kv("POST", "metadata/a", {"cas_required": False})

    overruled = '"cas_required" set to false, but is mandated by backend config. This value will be ignored.'
    assert (got.status_code, got.json()["warnings"]) == (200, [overruled])


def test_the_config_is_read_and_changed_in_part(stand: Stand) -> None:
    stand.kv("POST", "config", {"max_versions": 4, "delete_version_after": "1h"})
    stand.kv("POST", "config", {"cas_required": True})
    told = stand.kv("GET", "config").json()["data"]

    assert {name: told[name] for name in ("max_versions", "cas_required", "delete_version_after")} == {
        "max_versions": 4,
        "cas_required": True,
        "delete_version_after": "1h0m0s",
    }


def test_a_list_tells_names_and_folders_right_below(stand: Stand) -> None:
    for path in ("b", "a", "dir", "dir/x", "dir/sub/y"):
        stand.write(path)

    def names(path: str, method: str = "LIST") -> Any:
        return stand.kv(method, path).json()["data"]["keys"]

    assert names("metadata") == names("metadata/") == names("metadata?list=true", "GET") == ["a", "b", "dir", "dir/"]
    assert names("metadata/dir") == ["sub/", "x"]
    assert errors(stand.kv("LIST", "metadata/nope")) == (404, [])
    assert errors(stand.kv("GET", "metadata/nope?list=maybe")) == (400, [])


def test_a_path_that_is_none_of_kv_v2_is_a_404_with_advice(stand: Stand) -> None:
    verbs = {"GET": "get", "LIST": "list", "DELETE": "delete", "POST": "put"}
    cli = ("OpenBao", "bao") if stand.is_openbao else ("Vault", "vault")
    for method, verb in verbs.items():
        got = stand.kv(method, "foo", {} if method == "POST" else None)
        said = f"If using the {cli[0]} CLI, use '{cli[1]} kv {verb}' for this operation."

        assert (got.status_code, got.json()["data"]) == (404, None)
        assert got.json()["warnings"][0].startswith("Invalid path for a versioned K/V secrets engine.")
        assert got.json()["warnings"][0].endswith(said)


@pytest.mark.parametrize("root", ["data", "metadata", "delete", "undelete", "destroy"])
def test_the_roots_themselves_are_no_paths(stand: Stand, root: str) -> None:
    got = stand.kv("GET", root)

    said = "Non-listing operations on the root of a K/V v2 mount are not supported."
    assert (got.status_code, got.json()["warnings"]) == (404, [said])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "delete/a"), ("DELETE", "destroy/a"), ("LIST", "data/a"), ("DELETE", "config"), ("POST", "subkeys/a")],
)
def test_a_method_that_a_path_does_not_know_is_405(stand: Stand, method: str, path: str) -> None:
    got = stand.kv(method, path, {} if method == "POST" else None)

    assert errors(got) == (405, ["1 error occurred:\n\t* unsupported operation\n\n"])


def test_a_read_with_a_slash_at_the_end_finds_the_metadata_but_not_the_version(stand: Stand) -> None:
    stand.write("a")

    assert stand.kv("GET", "metadata/a/").status_code == 200
    lost = "1 error occurred:\n\t* could not find version data\n\n"
    assert errors(stand.kv("GET", "data/a/")) == (500, [lost])


def test_kv_v1_is_whole_and_unversioned(stand: Stand) -> None:
    mount = stand.new_mount(version=1)
    stand.call("POST", f"{mount}/a", {"k": "1", "l": "2"})
    stand.call("PUT", f"{mount}/a", {"k": "3", "ttl": "5m"})
    read = stand.call("GET", f"{mount}/a").json()

    assert (read["data"], read["lease_duration"]) == ({"k": "3", "ttl": "5m"}, 300)
    assert stand.call("LIST", mount).json()["data"]["keys"] == ["a"]
    assert errors(stand.call("POST", f"{mount}/a", {})) == (400, ["missing data fields"])
    assert stand.call("PATCH", f"{mount}/a", {}, headers=MERGE).status_code == 405
    assert stand.call("DELETE", f"{mount}/a").status_code == 204
    assert errors(stand.call("GET", f"{mount}/a")) == (404, [])


def test_kv_v1_takes_a_v2_body_for_plain_fields(stand: Stand) -> None:
    mount = stand.new_mount(version=1)

    assert stand.call("POST", f"{mount}/data/a", {"data": {"k": "1"}, "options": {"cas": 0}}).status_code == 204
    assert stand.call("GET", f"{mount}/data/a").json()["data"] == {"data": {"k": "1"}, "options": {"cas": 0}}
