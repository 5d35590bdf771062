"""Tokens, policies, wrapping. The same at the emulator and at a real server."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from tests.sandbox.vault_stand import MERGE, Rules, Stand

if TYPE_CHECKING:
    import requests

DENIED = "1 error occurred:\n\t* permission denied\n\n"
MINUTES = timedelta(minutes=1)


def errors(got: requests.Response) -> tuple[int, list[str]]:
    return got.status_code, got.json()["errors"]


def lookup(stand: Stand, token: str) -> Any:
    return stand.call("GET", "auth/token/lookup-self", token=token).json()["data"]


def renew(stand: Stand, token: str, **body: Any) -> Any:
    return stand.call("POST", "auth/token/renew-self", body, token=token).json()


def test_a_token_tells_about_itself(stand: Stand) -> None:
    token = stand.new_token(ttl=20 * MINUTES)
    told = lookup(stand, token)

    assert 1199 <= told["ttl"] <= 1200
    assert told["expire_time"] > told["issue_time"]
    known = {"id": token, "creation_ttl": 1200, "renewable": True, "type": "service", "policies": ["default"]}
    plain = {"display_name": "token", "path": "auth/token/create", "num_uses": 0, "meta": None, "entity_id": ""}
    assert {**known, **plain, "explicit_max_ttl": 0}.items() <= told.items()
    assert abs(told["creation_time"] - stand.now().timestamp()) < 5
    assert "last_renewal" not in told
    assert "period" not in told


def test_it_may_also_be_asked_by_post(stand: Stand) -> None:
    assert stand.call("POST", "auth/token/lookup-self", {}).status_code == 200


def test_the_root_token_never_ends_and_is_not_renewed(stand: Stand) -> None:
    told = lookup(stand, stand.root)

    assert (told["ttl"], told["expire_time"], told["renewable"], told["policies"]) == (0, None, False, ["root"])
    assert errors(stand.call("POST", "auth/token/renew-self")) == (400, ["lease is not renewable"])


def test_a_renewal_answers_with_the_new_lease(stand: Stand) -> None:
    token = stand.new_token(ttl=20 * MINUTES)
    got = renew(stand, token, increment="30m")

    assert (got["data"], got["warnings"]) == (None, None)
    assert (got["auth"]["client_token"], got["auth"]["lease_duration"]) == (token, 1800)
    assert set(got["auth"]) == {
        "client_token",
        "accessor",
        "policies",
        "token_policies",
        "metadata",
        "lease_duration",
        "renewable",
        "entity_id",
        "token_type",
        "orphan",
        "mfa_requirement",
        "num_uses",
    }
    assert "last_renewal" in lookup(stand, token)


@pytest.mark.parametrize(("increment", "seconds"), [("90s", 90), (90, 90), ("90", 90), ("2m", 120), ("1h", 3600)])
def test_an_increment_is_seconds_or_a_duration(stand: Stand, increment: Any, seconds: int) -> None:
    assert renew(stand, stand.new_token(ttl=MINUTES), increment=increment)["auth"]["lease_duration"] == seconds


def test_an_increment_that_is_neither_is_refused(stand: Stand) -> None:
    got = stand.call("POST", "auth/token/renew-self", {"increment": "soon"}, token=stand.new_token())

    assert got.status_code == 400
    assert 'error converting input for field "increment": time: invalid duration "soon"' in got.json()["errors"][0]


def test_a_renewal_without_an_increment_gives_what_was_given_last(stand: Stand) -> None:
    token = stand.new_token(ttl=20 * MINUTES)
    renew(stand, token, increment="5m")

    assert renew(stand, token)["auth"]["lease_duration"] == 300


def test_a_token_dies_when_its_time_is_over(stand: Stand) -> None:
    token = stand.new_token(ttl=timedelta(seconds=1))
    stand.wait(1.2)

    assert stand.call("GET", "auth/token/lookup-self", token=token).status_code == 403


def test_renewals_end_at_the_maximum_counted_from_creation(stand: Stand) -> None:
    token = stand.new_token(ttl=timedelta(seconds=3), explicit_max_ttl=timedelta(seconds=3))
    stand.wait(1.1)
    renewed = renew(stand, token, increment="1h")
    stand.wait(2.2)

    assert renewed["auth"]["lease_duration"] in (1, 2)
    assert renewed["warnings"][0].startswith('TTL of "1h" exceeded the effective max_ttl of "')
    gone = stand.call("POST", "auth/token/renew-self", {"increment": "1h"}, token=token)
    # Which of the two depends on the part of a second in which it was created.
    assert errors(gone)[0] in (403, 500)


def test_a_periodic_token_renews_by_its_period_whatever_is_asked(stand: Stand) -> None:
    token = stand.new_token(period=10 * MINUTES)

    assert renew(stand, token, increment="1h")["auth"]["lease_duration"] == 600
    assert lookup(stand, token)["period"] == 600


def test_a_periodic_token_with_an_explicit_maximum_ends_all_the_same(stand: Stand) -> None:
    token = stand.new_token(period=10 * MINUTES, explicit_max_ttl=5 * MINUTES)

    assert lookup(stand, token)["ttl"] <= 300


def test_a_batch_token_has_no_accessor_and_is_neither_renewed_nor_revoked(stand: Stand) -> None:
    token = stand.new_token(kind="batch", ttl=10 * MINUTES)
    told = lookup(stand, token)

    assert (told["type"], told["accessor"], told["renewable"]) == ("batch", "", False)
    renewed = stand.call("POST", "auth/token/renew-self", {}, token=token)
    assert errors(renewed) == (400, ["batch tokens cannot be renewed"])
    revoked = stand.call("POST", "auth/token/revoke-self", token=token)
    assert errors(revoked) == (400, ["batch tokens cannot be revoked"])


def test_a_token_made_so_is_not_renewed(stand: Stand) -> None:
    token = stand.new_token(ttl=MINUTES, renewable=False)

    assert errors(stand.call("POST", "auth/token/renew-self", {}, token=token)) == (400, ["lease is not renewable"])


def test_a_revoked_token_is_as_good_as_none(stand: Stand) -> None:
    token = stand.new_token()

    assert stand.call("POST", "auth/token/revoke-self", token=token).status_code == 204
    assert stand.call("POST", "auth/token/revoke-self", token=token).status_code == 403
    assert stand.call("GET", "auth/token/lookup-self", token=token).status_code == 403


def test_a_token_with_uses_loses_one_even_where_it_is_refused(stand: Stand) -> None:
    token = stand.new_token(uses=2)

    assert errors(stand.kv("GET", "data/a", token=token)) == (403, [DENIED])
    assert stand.call("GET", "auth/token/lookup-self", token=token).status_code == 200
    assert stand.call("GET", "auth/token/lookup-self", token=token).status_code == 403


# --- policies -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "path", "expected"),
    [
        pytest.param({"z/a": ["read"]}, "z/a", ["read"], id="an exact path"),
        pytest.param({"z/a": ["read"]}, "z/a/b", ["deny"], id="not what lies below it"),
        pytest.param({"z/a/*": ["read"]}, "z/a/b/c", ["read"], id="a star spans slashes"),
        pytest.param({"z/a/*": ["read"]}, "z/a", ["deny"], id="a star after a slash is not the folder itself"),
        pytest.param({"z/a*": ["read"]}, "z/ab", ["read"], id="a star may stand inside a segment"),
        pytest.param({"z/+/c": ["read"]}, "z/b/c", ["read"], id="a plus is one segment"),
        pytest.param({"z/+/c": ["read"]}, "z/a/b/c", ["deny"], id="a plus is not two segments"),
        pytest.param({"z/+/*": ["read"]}, "z/a/b/c", ["read"], id="a plus and a star"),
        pytest.param({"z/a": ["read"], "z/*": ["update"]}, "z/a", ["read"], id="exact beats star"),
        pytest.param({"z/a*": ["read"], "z/*": ["update"]}, "z/ab", ["read"], id="the longer star wins"),
        pytest.param({"z/+/c": ["read"], "z/b/*": ["update"]}, "z/b/c", ["update"], id="the later wildcard wins"),
        pytest.param({"z/+/b": ["read"], "z/+/*": ["update"]}, "z/a/b", ["read"], id="no star beats a star"),
        pytest.param({"z/+/b/c": ["read"], "z/+/+/c": ["update"]}, "z/a/b/c", ["read"], id="fewer pluses win"),
        pytest.param({"z/a": ["deny"], "z/*": ["read"]}, "z/a", ["deny"], id="a deny at the winner denies"),
        pytest.param({"z/a": ["read"], "z/*": ["deny"]}, "z/a", ["read"], id="a deny at a loser does not matter"),
        pytest.param({"z/a": ["list"]}, "z/a/", ["list"], id="a slash at the end is tried without"),
        pytest.param({"z/+": ["list"]}, "z/", ["list"], id="a plus may be empty"),
        pytest.param({"z/a": []}, "z/a", ["deny"], id="no capabilities are a deny"),
        pytest.param({"z/a": ["update", "create", "read"]}, "z/a", ["create", "read", "update"], id="sorted"),
    ],
)
def test_the_most_specific_rule_decides(stand: Stand, rules: Rules, path: str, expected: list[str]) -> None:
    token = stand.new_token(rules)

    got = stand.call("POST", "sys/capabilities-self", {"paths": [path]}, token=token).json()

    assert got["data"][path] == expected


def test_rules_of_several_policies_add_up_and_a_deny_beats_them(stand: Stand) -> None:
    names = [
        stand.new_policy(rules) for rules in ({"z/a": ["read"], "z/b": ["read"]}, {"z/a": ["list"], "z/b": ["deny"]})
    ]
    token = stand.operator.token(names, {})

    told = stand.call("POST", "sys/capabilities-self", {"paths": ["z/a", "z/b"]}, token=token).json()["data"]

    assert told == {"z/a": ["list", "read"], "z/b": ["deny"]}


def test_root_may_everything_and_paths_may_come_between_commas(stand: Stand) -> None:
    told = stand.call("POST", "sys/capabilities-self", {"paths": "z/a,z/b"}).json()["data"]

    assert told == {"z/a": ["root"], "z/b": ["root"]}


def test_each_method_asks_for_its_capability(stand: Stand) -> None:
    stand.write("old")
    calls: list[tuple[str, str, str, Any]] = [
        ("read", "GET", "data/old", None),
        ("create", "POST", "data/new", {"data": {}}),
        ("update", "POST", "data/old", {"data": {}}),
        ("patch", "PATCH", "data/old", {"data": {}}),
        ("delete", "DELETE", "data/old", None),
        ("list", "LIST", "metadata/", None),
        ("update", "POST", "undelete/old", {"versions": [1]}),
        ("update", "POST", "destroy/old", {"versions": [1]}),
    ]
    everything = {"create", "read", "update", "patch", "delete", "list"}
    for capability, method, path, body in calls:
        head = MERGE if method == "PATCH" else None
        others = stand.new_token({"{m}/*": sorted(everything - {capability})})
        alone = stand.new_token({"{m}/*": [capability]})

        assert stand.kv(method, path, body, token=others, headers=head).status_code == 403, (capability, path)
        assert stand.kv(method, path, body, token=alone, headers=head).ok, (capability, path)


def test_a_bad_cas_without_permission_is_403_and_with_it_400(stand: Stand) -> None:
    stand.write("a")
    body = {"data": {}, "options": {"cas": 9}}

    assert stand.kv("POST", "data/a", body, token=stand.new_token({"{m}/data/*": ["create"]})).status_code == 403
    assert stand.kv("POST", "data/a", body, token=stand.new_token({"{m}/data/*": ["update"]})).status_code == 400


def test_after_a_soft_delete_writing_is_still_an_update(stand: Stand) -> None:
    stand.write("a")
    stand.kv("DELETE", "data/a")
    creator = stand.new_token({"{m}/data/*": ["create"]})

    assert stand.kv("POST", "data/a", {"data": {}}, token=creator).status_code == 403


# --- mounts ---------------------------------------------------------------------------------------------------


def mount_of(stand: Stand, path: str, token: str | None = "") -> requests.Response:
    return stand.call("GET", f"sys/internal/ui/mounts/{path}", token=token)


def test_a_mount_is_told_to_whoever_may_do_anything_under_it(stand: Stand) -> None:
    token = stand.new_token({"{m}/metadata/deep/down": ["delete"]})
    told = mount_of(stand, f"{stand.mount}/any/path", token).json()["data"]

    assert (told["type"], told["path"], told["options"]) == ("kv", f"{stand.mount}/", {"version": "2"})
    assert {"accessor", "config", "description", "local", "seal_wrap", "uuid"} <= set(told)
    assert mount_of(stand, stand.mount, token).status_code == 200


@pytest.mark.parametrize("rules", [{}, {"{m}/*": ["deny"]}, {"{m}x/*": ["read"]}])
def test_no_access_and_no_mount_are_told_in_the_same_words(stand: Stand, rules: Rules) -> None:
    token = stand.new_token(rules)
    for path in (f"{stand.mount}/a", "nope/a"):
        said = "preflight capability check returned 403, please ensure client's policies grant access to path"

        assert errors(mount_of(stand, path, token)) == (403, [f'{said} "{path}/"'])


@pytest.mark.parametrize("pattern", ["+/data/*", "{m}*", "*", "+/+/x", "{m}/+"])
def test_wildcards_that_may_lie_under_the_mount_count(stand: Stand, pattern: str) -> None:
    assert mount_of(stand, f"{stand.mount}/a", stand.new_token({pattern: ["read"]})).status_code == 200


def test_without_a_token_the_mounts_are_not_told(stand: Stand) -> None:
    assert errors(mount_of(stand, f"{stand.mount}/a", None)) == (403, ["permission denied"])
    assert errors(stand.call("POST", f"sys/internal/ui/mounts/{stand.mount}", {})) == (405, ["unsupported operation"])
    assert errors(mount_of(stand, "")) == (404, ["unsupported path"])


# --- wrapping -------------------------------------------------------------------------------------------------

INVALID = "wrapping token is not valid or does not exist"


def wrapped(stand: Stand, ttl: str = "60") -> str:
    stand.write("a", {"k": "1"})
    got = stand.kv("GET", "data/a", headers={"X-Vault-Wrap-TTL": ttl}).json()
    token: str = got["wrap_info"]["token"]
    return token


def test_any_answer_can_be_wrapped_and_comes_out_as_it_was(stand: Stand) -> None:
    got = stand.call("POST", "sys/wrapping/unwrap", token=wrapped(stand)).json()

    assert got["data"]["data"] == {"k": "1"}
    assert got["wrap_info"] is None


def test_what_has_no_answer_is_not_wrapped(stand: Stand) -> None:
    head = {"X-Vault-Wrap-TTL": "60"}

    assert errors(stand.kv("GET", "data/nope", headers=head)) == (404, [])
    assert stand.kv("DELETE", "data/nope", headers=head).status_code == 204


def test_a_wrapping_token_may_come_in_the_body_with_another_one_in_the_header(stand: Stand) -> None:
    token = wrapped(stand)

    assert stand.call("POST", "sys/wrapping/unwrap", {"token": token}, token=None).status_code == 403
    assert stand.call("POST", "sys/wrapping/unwrap", {"token": token}, token=stand.new_token()).status_code == 200
    assert errors(stand.call("POST", "sys/wrapping/unwrap", {"token": token})) == (400, [INVALID])


def test_a_wrapping_token_is_looked_up_without_being_used_up(stand: Stand) -> None:
    token = wrapped(stand)
    for _ in range(2):
        assert stand.call("POST", "sys/wrapping/lookup", {"token": token}, token=None).status_code == 200
    assert stand.call("GET", "sys/wrapping/lookup", token=token).status_code == 200

    assert stand.call("POST", "sys/wrapping/unwrap", token=token).status_code == 200
    assert errors(stand.call("POST", "sys/wrapping/lookup", {"token": token}, token=None)) == (400, [INVALID])


def test_any_other_call_uses_a_wrapping_token_up(stand: Stand) -> None:
    token = wrapped(stand)

    assert errors(stand.kv("GET", "data/a", token=token)) == (403, [DENIED])
    assert errors(stand.call("POST", "sys/wrapping/unwrap", token=token)) == (400, [INVALID])


def test_a_wrapping_token_ends_in_time(stand: Stand) -> None:
    token = wrapped(stand, "1s")
    stand.wait(1.2)

    assert errors(stand.call("POST", "sys/wrapping/unwrap", token=token)) == (400, [INVALID])


@pytest.mark.parametrize("token", ["", "s.unknown"])
def test_a_token_that_wraps_nothing_is_refused(stand: Stand, token: str) -> None:
    assert errors(stand.call("POST", "sys/wrapping/unwrap", token=token)) == (400, [INVALID])
    assert errors(stand.call("POST", "sys/wrapping/unwrap", {"token": "x"})) == (400, [INVALID])


def test_no_wrapping_token_at_all_is_refused_in_other_words(stand: Stand) -> None:
    empty = (403, ["error validating wrapping token: token is empty"])

    assert errors(stand.call("POST", "sys/wrapping/unwrap", token=None)) == empty
    assert errors(stand.call("POST", "sys/wrapping/lookup", {}, token=None)) == empty


@pytest.mark.parametrize(
    ("ttl", "said"), [("soon", 'time: invalid duration "soon"'), ("-5", "requested wrap ttl cannot be negative")]
)
def test_a_wrap_ttl_that_is_none_is_refused(stand: Stand, ttl: str, said: str) -> None:
    got = stand.kv("GET", "data/a", headers={"X-Vault-Wrap-TTL": ttl})

    assert errors(got) == (400, [f"error parsing X-Vault-Wrap-TTL header: {said}"])
