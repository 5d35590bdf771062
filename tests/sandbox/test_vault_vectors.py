"""The test vectors of the Vault contract (section 8, by number), against the emulator and a real server."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from rotator.sandbox.http import Request, Response
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox
from tests.dev_vault import dev_server_or_skip
from tests.sandbox.vault_stand import MERGE, AtTheConsole, OverHttp, Stand

if TYPE_CHECKING:
    from pathlib import Path

DENIED = "1 error occurred:\n\t* permission denied\n\n"
MISMATCH = "check-and-set parameter did not match the current version"
INVALID_WRAPPING = "wrapping token is not valid or does not exist"


def errors(got: requests.Response) -> tuple[int, list[str]]:
    return got.status_code, got.json()["errors"]


def test_01_a_second_write_with_cas_0_is_refused(stand: Stand) -> None:
    assert stand.write("a", {"k": "1"}, cas=0).status_code == 200
    assert errors(stand.write("a", {"k": "2"}, cas=0)) == (400, [MISMATCH])


def test_02_after_a_soft_delete_the_cas_is_still_the_number_of_the_deleted_version(stand: Stand) -> None:
    stand.write("a")
    stand.write("a")
    stand.kv("DELETE", "data/a")

    assert errors(stand.write("a", cas=0)) == (400, [MISMATCH])
    assert stand.write("a", cas=2).json()["data"]["version"] == 3


def test_03_a_destroyed_version_is_a_404_with_a_body(stand: Stand) -> None:
    stand.write("a", {"k": "1"})
    assert stand.kv("PUT", "destroy/a", {"versions": [1]}).status_code == 204

    got = stand.kv("GET", "data/a")

    assert got.status_code == 404
    assert got.json()["data"]["data"] is None
    metadata = got.json()["data"]["metadata"]
    assert (metadata["destroyed"], metadata["deletion_time"], metadata["version"]) == (True, "", 1)


def test_04_twelve_writes_move_the_window_of_ten(stand: Stand) -> None:
    oldest = []
    for number in range(1, 13):
        stand.write("a", {"n": str(number)})
        oldest.append(stand.metadata("a")["oldest_version"])

    assert oldest == [0] * 9 + [1, 2, 3]
    for gone in (1, 2):
        assert errors(stand.kv("GET", f"data/a?version={gone}")) == (404, [])
    assert stand.kv("GET", "data/a?version=3").json()["data"]["data"] == {"n": "3"}


def test_05_a_key_of_metadata_only_reads_as_absent_but_writing_it_is_an_update(stand: Stand) -> None:
    creator = stand.new_token({"{m}/data/*": ["create"]})
    updater = stand.new_token({"{m}/data/*": ["update"]})
    stand.kv("POST", "metadata/a", {"custom_metadata": {"k": "v"}})

    assert errors(stand.kv("GET", "data/a")) == (404, [])
    assert stand.metadata("a")["current_version"] == 0
    assert stand.metadata("a")["versions"] == {}
    body = {"data": {}, "options": {"cas": 0}}
    assert errors(stand.kv("POST", "data/a", body, token=creator)) == (403, [DENIED])
    assert stand.kv("POST", "data/a", body, token=updater).status_code == 200


def test_06_patch_wants_a_key_and_the_merge_patch_type_and_null_removes(stand: Stand) -> None:
    absent = stand.kv("PATCH", "data/a", {"data": {"k": "1"}}, headers=MERGE)
    stand.write("a", {"k": "1", "l": "2"})
    merged = stand.kv("PATCH", "data/a", {"data": {"k": None, "m": "3"}}, headers=MERGE)
    wrong = stand.kv("PATCH", "data/a", {"data": {}}, headers={"Content-Type": "application/json"})

    assert (absent.status_code, absent.content) == (404, b"")
    assert absent.headers["Content-Type"] == "application/json"
    assert merged.json()["data"]["version"] == 2
    assert stand.kv("GET", "data/a").json()["data"]["data"] == {"l": "2", "m": "3"}
    provided = "PATCH requires Content-Type of application/merge-patch+json, provided application/json"
    assert errors(wrong) == (415, [provided])


def test_07_posting_metadata_replaces_the_custom_map_and_patching_merges_it(stand: Stand) -> None:
    stand.kv("POST", "metadata/a", {"custom_metadata": {"a": "1", "b": "2"}})
    stand.kv("PATCH", "metadata/a", {"custom_metadata": {"b": None, "c": "3"}}, headers=MERGE)
    merged = stand.metadata("a")["custom_metadata"]
    stand.kv("POST", "metadata/a", {"custom_metadata": {"d": "4"}})

    assert merged == {"a": "1", "c": "3"}
    assert stand.metadata("a")["custom_metadata"] == {"d": "4"}
    assert stand.kv("POST", "metadata/a", {"custom_metadata": {"a": "x" * 512}}).status_code == 204
    too_long = stand.kv("POST", "metadata/a", {"custom_metadata": {"a": "x" * 513}})
    said = 'length of value for key "a" is 513 but must be 0 < len(value) <= 512'
    assert errors(too_long) == (400, [f"1 error occurred:\n\t* custom_metadata validation failed: {said}\n\n"])


def test_08_a_version_with_a_deletion_time_is_read_until_then(stand: Stand) -> None:
    stand.kv("POST", "metadata/a", {"delete_version_after": "1s"})
    written = stand.write("a", {"k": "1"}).json()["data"]
    before = stand.kv("GET", "data/a")
    stand.wait(1.1)
    after = stand.kv("GET", "data/a")

    created, deleted = (datetime.fromisoformat(written[name][:26]) for name in ("created_time", "deletion_time"))
    assert abs(deleted - created - timedelta(seconds=1)) < timedelta(milliseconds=1)
    assert (before.status_code, before.json()["data"]["metadata"]["deletion_time"]) == (200, written["deletion_time"])
    assert (after.status_code, after.json()["data"]["data"]) == (404, None)


def test_09_a_bad_token_and_a_missing_right_read_differently(stand: Stand) -> None:
    limited = stand.new_token()
    bad = [stand.kv("GET", "data/a", token=token) for token in ("s.unknown", None)]

    assert errors(stand.kv("GET", "data/a", token=limited)) == (403, [DENIED])
    both = "2 errors occurred:\n\t* permission denied\n\t* invalid token\n\n"
    unknown = "permission denied" if stand.is_openbao else both
    assert errors(bad[0]) == (403, [unknown])
    assert errors(bad[1]) == (403, ["permission denied"])


def test_10_an_unknown_mount_is_404_to_whom_the_policy_allows_it_and_403_to_others(stand: Stand) -> None:
    allowed = stand.new_token({"nope/*": ["read", "create", "update"]})
    absent = ['no handler for route "nope/data/x". route entry not found.']

    for token in ("", allowed):
        assert errors(stand.call("GET", "nope/data/x", token=token)) == (404, absent)
        assert errors(stand.call("POST", "nope/data/x", {"data": {}}, token=token)) == (404, absent)
    assert errors(stand.call("GET", "nope/data/x", token=stand.new_token())) == (403, [DENIED])


def test_11_capabilities_stand_twice_and_once_more_for_a_single_path(stand: Stand) -> None:
    token = stand.new_token({"{m}/data/app/*": ["create", "read", "update"], "{m}/data/app/no": ["deny"]})
    paths = [f"{stand.mount}/data/app/{name}" for name in ("x", "no")]
    one = stand.call("POST", "sys/capabilities-self", {"paths": paths[:1]}, token=token).json()
    two = stand.call("POST", "sys/capabilities-self", {"paths": paths}, token=token).json()
    none = stand.call("POST", "sys/capabilities-self", {"paths": []}, token=token)

    listed = ["create", "read", "update"]
    assert one["data"] == {paths[0]: listed, "capabilities": listed}
    assert (one[paths[0]], one["capabilities"]) == (listed, listed)
    assert two["data"] == {paths[0]: listed, paths[1]: ["deny"]}
    assert two[paths[1]] == ["deny"]
    assert errors(none) == (400, ["paths must be supplied"])


def test_12_a_wrapped_answer_is_unwrapped_once(stand: Stand) -> None:
    role, _ = stand.new_approle()
    path = f"auth/approle/role/{role}/secret-id"
    wrapped = stand.call("POST", path, headers={"X-Vault-Wrap-TTL": "120s"}).json()
    token = wrapped["wrap_info"]["token"]
    looked = stand.call("POST", "sys/wrapping/lookup", {"token": token}, token=None).json()["data"]
    first = stand.call("POST", "sys/wrapping/unwrap", token=token)
    second = stand.call("POST", "sys/wrapping/unwrap", token=token)

    assert (wrapped["request_id"], wrapped["data"], wrapped["auth"]) == ("", None, None)
    assert (wrapped["wrap_info"]["ttl"], wrapped["wrap_info"]["creation_path"]) == (120, path)
    assert (looked["creation_path"], looked["creation_ttl"]) == (path, 120)
    assert set(first.json()["data"]) == {"secret_id", "secret_id_accessor", "secret_id_num_uses", "secret_id_ttl"}
    assert errors(second) == (400, [INVALID_WRAPPING])


def test_13_a_renewal_past_the_maximum_warns_and_shrinks(stand: Stand) -> None:
    token = stand.new_token(ttl=timedelta(minutes=20), explicit_max_ttl=timedelta(minutes=30))
    stand.wait(1.1)
    first = stand.call("POST", "auth/token/renew-self", {"increment": "1h"}, token=token).json()
    stand.wait(1.1)
    second = stand.call("POST", "auth/token/renew-self", {"increment": "1h"}, token=token).json()

    durations = [first["auth"]["lease_duration"], second["auth"]["lease_duration"]]
    assert 1795 <= durations[1] < durations[0] <= 1799
    [warning] = first["warnings"]
    assert warning.startswith('TTL of "1h" exceeded the effective max_ttl of "29m5')
    assert warning.endswith("; TTL value is capped accordingly")


def test_14_a_write_to_a_slash_at_the_end_is_refused_before_the_token_is_looked_at(stand: Stand) -> None:
    refused = (400, ["cannot write to a path ending in '/'"])

    assert errors(stand.kv("POST", "data/a/", {"data": {}}, token=None)) == refused
    assert errors(stand.kv("POST", "data/a/", {"data": {}}, token="s.unknown")) == refused
    assert errors(stand.kv("PATCH", "data/a/", {"data": {}}, token=None, headers=MERGE)) == refused


@pytest.mark.parametrize("where", ["emulator", pytest.param("real", marks=pytest.mark.real_vault)])
def test_15_a_sealed_server_answers_503_to_data_and_health(where: str, tmp_path: Path) -> None:
    if where == "real":
        with dev_server_or_skip(tmp_path) as real:
            stand = Stand(real.address, real.token, OverHttp(real), None)
            stand.call("PUT", "sys/seal")
            check_sealed(stand)
            stand.close()
        return
    with Sandbox() as box:
        stand = Stand(box.vault_url, "root", AtTheConsole(box), None)
        box.vault.seal()
        check_sealed(stand)
        stand.close()


def check_sealed(stand: Stand) -> None:
    sealed = (503, ["Vault is sealed"])
    assert errors(stand.kv("GET", "data/a")) == sealed
    assert errors(stand.kv("GET", "data/a", token="s.unknown")) == sealed
    assert errors(stand.kv("POST", "data/a/", {"data": {}}, token=None)) == sealed
    assert errors(stand.kv("GET", "data/a", headers={"X-Vault-Namespace": "nope"})) == sealed
    assert errors(stand.call("GET", "nope/a")) == sealed
    health = stand.call("GET", "sys/health", token=None)
    assert (health.status_code, health.json()["sealed"], health.json()["initialized"]) == (503, True, True)
    assert "cluster_name" not in health.json()
    assert stand.call("GET", "sys/health?sealedcode=200", token=None).status_code == 200
    assert stand.call("GET", "sys/seal-status", token=None).json()["sealed"] is True
    assert stand.kv("POST", "data/a", data=b"{").status_code == 400
    assert stand.kv("PATCH", "data/a", {}).status_code == 415


def test_16_kv_v1_writes_204_and_reads_with_a_lease(stand: Stand) -> None:
    mount = stand.new_mount(version=1)
    written = stand.call("POST", f"{mount}/a", {"k": "1"})
    read = stand.call("GET", f"{mount}/a").json()

    assert written.status_code == 204
    assert (read["data"], read["lease_duration"], read["renewable"]) == ({"k": "1"}, 2764800, False)
    told = stand.call("GET", f"sys/internal/ui/mounts/{mount}/a").json()["data"]
    assert (told["type"], told["options"]["version"]) == ("kv", "1")


class Forwarding:
    """A real server behind the sandbox's faults."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand

    def answer(self, request: Request) -> Response:
        path = request.path.removeprefix("/v1/")
        got = self._stand.call(request.method, path, data=request.body, token=request.header("x-vault-token"))
        return Response(got.status_code, (("Content-Type", got.headers["Content-Type"]),), got.content)


def test_17_a_write_that_was_applied_and_lost_is_found_by_its_cas(stand: Stand) -> None:
    with Sandbox() as box:
        faulty = box.serve("faulty", Forwarding(stand))
        box.faults.drop(Wanted(method="POST"), when="after")
        url, head = f"{faulty}/v1/{stand.mount}/data/a", {"X-Vault-Token": stand.root}
        body = {"data": {"k": "1"}, "options": {"cas": 0}}
        with pytest.raises(requests.ConnectionError):
            requests.post(url, json=body, headers=head, timeout=5)
        again = requests.post(url, json=body, headers=head, timeout=5)

    assert errors(again) == (400, [MISMATCH])
    assert stand.kv("GET", "data/a").json()["data"]["data"] == {"k": "1"}
    assert stand.metadata("a")["current_version"] == 1
