"""Logins: AppRole, JWT and Kubernetes, at the emulator and at a real server."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.jwk import RSAKey

from tests.contract.okta_keys import certificate
from tests.sandbox.kubernetes_api import running
from tests.sandbox.vault_stand import AtTheConsole, OverHttp, Stand

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import requests

    from rotator.sandbox.world import Sandbox

MINUTES = timedelta(minutes=1)
WRONG = "invalid role or secret ID"


def errors(got: requests.Response) -> tuple[int, list[str]]:
    return got.status_code, got.json()["errors"]


def log_in(stand: Stand, how: str, **body: Any) -> requests.Response:
    return stand.call("POST", f"auth/{how}/login", body, token=None)


# --- AppRole --------------------------------------------------------------------------------------------------


def test_an_approle_login_gives_a_token_of_the_role(stand: Stand) -> None:
    name, role_id = stand.new_approle(ttl=20 * MINUTES, max_ttl=30 * MINUTES)
    got = log_in(stand, "approle", role_id=role_id, secret_id=stand.new_secret_id(name))

    assert got.status_code == 200
    assert (got.json()["data"], got.json()["warnings"]) == (None, None)
    auth = got.json()["auth"]
    assert (auth["lease_duration"], auth["renewable"], auth["token_type"]) == (1200, True, "service")
    assert (auth["policies"], auth["metadata"], auth["orphan"]) == (["default"], {"role_name": name}, True)
    assert auth["mfa_requirement"] is None
    told = stand.call("GET", "auth/token/lookup-self", token=auth["client_token"]).json()["data"]
    assert (told["path"], told["display_name"]) == ("auth/approle/login", "approle")


def test_a_logins_token_is_renewed_by_the_roles_ttl_up_to_its_maximum(stand: Stand) -> None:
    name, role_id = stand.new_approle(ttl=20 * MINUTES, max_ttl=30 * MINUTES)
    auth = log_in(stand, "approle", role_id=role_id, secret_id=stand.new_secret_id(name)).json()["auth"]
    stand.wait(1.1)

    def renewed(**body: Any) -> Any:
        return stand.call("POST", "auth/token/renew-self", body, token=auth["client_token"]).json()

    capped = renewed(increment="1h")
    assert 1790 <= capped["auth"]["lease_duration"] < 1800
    assert "exceeded the effective max_ttl" in capped["warnings"][0]
    assert renewed()["auth"]["lease_duration"] == 1200


def test_the_same_role_is_the_same_entity_each_time(stand: Stand) -> None:
    name, role_id = stand.new_approle()
    ids = {
        log_in(stand, "approle", role_id=role_id, secret_id=stand.new_secret_id(name)).json()["auth"]["entity_id"]
        for _ in range(2)
    }

    assert len(ids) == 1
    assert ids != {""}


def test_a_token_that_is_sent_with_a_login_is_not_looked_at(stand: Stand) -> None:
    name, role_id = stand.new_approle()
    body = {"role_id": role_id, "secret_id": stand.new_secret_id(name)}

    assert stand.call("POST", "auth/approle/login", body, token="s.stale").status_code == 200


def test_a_single_use_secret_id_is_gone_after_the_login(stand: Stand) -> None:
    name, role_id = stand.new_approle(uses=1)
    body = {"role_id": role_id, "secret_id": stand.new_secret_id(name)}

    assert log_in(stand, "approle", **body).status_code == 200
    assert errors(log_in(stand, "approle", **body)) == (400, [WRONG])


def test_a_secret_id_of_two_uses_is_good_twice(stand: Stand) -> None:
    name, role_id = stand.new_approle(uses=2)
    body = {"role_id": role_id, "secret_id": stand.new_secret_id(name)}

    assert [log_in(stand, "approle", **body).status_code for _ in range(3)] == [200, 200, 400]


def test_a_secret_id_ends_in_time(vault_box: Sandbox) -> None:
    # A real server may take it until it tidies up, an hour later at most. Nobody should count on that.
    stand = Stand(vault_box.vault_url, "root", AtTheConsole(vault_box), vault_box.clock)
    name, role_id = stand.new_approle()
    made = stand.call("POST", f"auth/approle/role/{name}/secret-id", {"ttl": "1s"}).json()["data"]
    stand.wait(1.2)

    assert made["secret_id_ttl"] == 1
    assert errors(log_in(stand, "approle", role_id=role_id, secret_id=made["secret_id"])) == (400, [WRONG])
    stand.close()


@pytest.mark.parametrize("extra", [{}, {"secret_id": ""}, {"secret_id": None}])
def test_a_login_without_a_secret_id_is_refused(stand: Stand, extra: dict[str, Any]) -> None:
    _, role_id = stand.new_approle()

    assert errors(log_in(stand, "approle", role_id=role_id, **extra)) == (400, ["missing secret_id"])


def test_a_login_without_a_role_id_is_500_and_with_an_unknown_one_400(stand: Stand) -> None:
    stand.new_approle()

    # The contract says 400; a real server meets it already where it looks whether the user is locked.
    assert errors(log_in(stand, "approle")) == (500, ["missing role_id"])
    assert errors(log_in(stand, "approle", role_id="unknown", secret_id="x")) == (400, [WRONG])


def test_five_wrong_secret_ids_lock_the_role_for_the_right_one_too(stand: Stand) -> None:
    name, role_id = stand.new_approle()
    right = {"role_id": role_id, "secret_id": stand.new_secret_id(name)}
    wrong = {"role_id": role_id, "secret_id": "wrong"}
    four = [errors(log_in(stand, "approle", **wrong)) for _ in range(4)]
    log_in(stand, "approle", **right)
    five = [errors(log_in(stand, "approle", **wrong)) for _ in range(5)]

    assert four == five[:4] == [(400, [WRONG])] * 4  # a right one in between starts the count anew
    assert errors(log_in(stand, "approle", **wrong)) == (403, ["permission denied"])
    assert errors(log_in(stand, "approle", **right)) == (403, ["permission denied"])


def test_a_locked_role_opens_after_fifteen_minutes(vault_box: Sandbox) -> None:
    stand = Stand(vault_box.vault_url, "root", AtTheConsole(vault_box), vault_box.clock)
    name, role_id = stand.new_approle()
    right = {"role_id": role_id, "secret_id": stand.new_secret_id(name)}
    for _ in range(5):
        log_in(stand, "approle", role_id=role_id, secret_id="wrong")
    stand.wait(14 * 60)
    still = log_in(stand, "approle", **right).status_code
    stand.wait(61)

    assert (still, log_in(stand, "approle", **right).status_code) == (403, 200)
    stand.close()


def test_unknown_role_ids_lock_nobody(stand: Stand) -> None:
    stand.new_approle()

    got = [log_in(stand, "approle", role_id="unknown", secret_id="x").status_code for _ in range(7)]

    assert got == [400] * 7


def test_a_wrapped_secret_id_tells_its_accessor_and_logs_in(stand: Stand) -> None:
    name, role_id = stand.new_approle()
    path = f"auth/approle/role/{name}/secret-id"
    info = stand.call("POST", path, headers={"X-Vault-Wrap-TTL": "60"}).json()["wrap_info"]
    inner = stand.call("POST", "sys/wrapping/unwrap", token=info["token"]).json()["data"]

    assert info["wrapped_accessor"] == inner["secret_id_accessor"]
    assert log_in(stand, "approle", role_id=role_id, secret_id=inner["secret_id"]).status_code == 200


def test_a_wrapped_login_answers_with_the_wrapping_alone(stand: Stand) -> None:
    name, role_id = stand.new_approle()
    body = {"role_id": role_id, "secret_id": stand.new_secret_id(name)}
    got = stand.call("POST", "auth/approle/login", body, token=None, headers={"X-Vault-Wrap-TTL": "60"}).json()

    assert got["auth"] is None
    inner = stand.call("POST", "sys/wrapping/unwrap", token=got["wrap_info"]["token"]).json()["auth"]
    assert inner["metadata"] == {"role_name": name}


# --- JWT ------------------------------------------------------------------------------------------------------

KEY, OTHER = RSAKey.generate_key(2048), RSAKey.generate_key(2048)
SIGNATURE = "error verifying token signature: no known key successfully validated the token signature"


def signed(claims: dict[str, Any], key: RSAKey = KEY) -> str:
    return jwt.encode({"alg": "RS256"}, {name: value for name, value in claims.items() if value is not None}, key)


def public_pem() -> str:
    public = KEY.public_key
    assert isinstance(public, rsa.RSAPublicKey)
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def jwt_stand(stand: Stand) -> Stand:
    stand.operator.jwt(public_pem(), dict(KEY.as_dict(private=False)), {"subject": "ci", "claims": {"repo": "rotator"}})
    return stand


def claims_for(stand: Stand, **other: Any) -> dict[str, Any]:
    now = int(stand.now().timestamp())
    good = {"iss": "https://issuer", "sub": "ci", "aud": "vault", "repo": "rotator", "iat": now, "exp": now + 600}
    return {
        **good,
        **{name: now + value if name in ("iat", "nbf", "exp") and value else value for name, value in other.items()},
    }


def test_a_jwt_login_gives_a_token(jwt_stand: Stand) -> None:
    got = log_in(jwt_stand, "jwt", role="deploy", jwt=signed(claims_for(jwt_stand)))

    assert got.status_code == 200
    assert got.json()["auth"]["metadata"] == {"role": "deploy"}
    token = got.json()["auth"]["client_token"]
    told = jwt_stand.call("GET", "auth/token/lookup-self", token=token).json()["data"]
    assert (told["path"], told["display_name"]) == ("auth/jwt/login", "jwt-ci")


def test_one_of_several_audiences_is_enough(jwt_stand: Stand) -> None:
    several = signed(claims_for(jwt_stand, aud=["other", "vault"]))

    assert log_in(jwt_stand, "jwt", role="deploy", jwt=several).status_code == 200


EXPIRED = "invalid expiration time (exp) claim: token is expired"
AUDIENCE = "invalid audience (aud) claim: audience claim does not match any expected audience"


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param({"aud": "other"}, f"token: {AUDIENCE}", id="another audience"),
        pytest.param({"aud": None}, f"token: {AUDIENCE}", id="no audience"),
        pytest.param({"iss": "https://other"}, "token: invalid issuer (iss) claim", id="another issuer"),
        pytest.param({"sub": "other"}, "token: invalid subject (sub) claim", id="another subject"),
        pytest.param(
            {"exp": -600},
            "token: invalid expiration time (exp) claim: token is expired",
            id="expired beyond the leeway",
        ),
        pytest.param(
            {"nbf": 600}, "token: invalid not before (nbf) claim: token not yet valid", id="not valid for some time yet"
        ),
        pytest.param(
            {"iat": None, "exp": None},
            "token: no issued at (iat), not before (nbf), or expiration time (exp) claims in token",
            id="no times at all",
        ),
        pytest.param({"repo": None}, 'claims: claim "repo" is missing', id="a bound claim missing"),
        pytest.param(
            {"repo": "other"},
            'claims: claim "repo" does not match any associated bound claim values',
            id="a bound claim with another value",
        ),
    ],
)
def test_a_jwt_must_say_what_the_role_wants(jwt_stand: Stand, other: dict[str, Any], said: str) -> None:
    got = log_in(jwt_stand, "jwt", role="deploy", jwt=signed(claims_for(jwt_stand, **other)))

    assert errors(got) == (400, [f"error validating {said}"])


def test_a_jwt_just_expired_is_still_taken(jwt_stand: Stand) -> None:
    assert log_in(jwt_stand, "jwt", role="deploy", jwt=signed(claims_for(jwt_stand, exp=-30))).status_code == 200


def test_a_jwt_with_an_audience_needs_a_role_with_one(jwt_stand: Stand) -> None:
    unbound = "audience claim found in JWT but no audiences bound to the role"

    assert errors(log_in(jwt_stand, "jwt", role="any", jwt=signed(claims_for(jwt_stand)))) == (400, [unbound])
    without = signed(claims_for(jwt_stand, aud=None))
    assert log_in(jwt_stand, "jwt", role="any", jwt=without).status_code == 200


def test_a_jwt_of_another_key_is_refused(jwt_stand: Stand) -> None:
    got = log_in(jwt_stand, "jwt", role="deploy", jwt=signed(claims_for(jwt_stand), OTHER))

    assert errors(got) == (400, [f"error validating token: {SIGNATURE}"])


def test_what_is_no_jwt_is_refused(jwt_stand: Stand) -> None:
    parts = "error verifying token signature: go-jose/go-jose: compact JWS format must have three parts"

    assert errors(log_in(jwt_stand, "jwt", role="deploy", jwt="abc")) == (400, [f"error validating token: {parts}"])


def test_a_jwt_login_names_what_is_missing(jwt_stand: Stand) -> None:
    assert errors(log_in(jwt_stand, "jwt", jwt="x")) == (400, ["missing role"])
    assert errors(log_in(jwt_stand, "jwt", role="deploy")) == (400, ["missing token"])
    assert errors(log_in(jwt_stand, "jwt", role="no", jwt="x")) == (400, ['role "no" could not be found'])
    assert jwt_stand.call("GET", "auth/jwt/login", token=None).status_code == 405


# --- Kubernetes -----------------------------------------------------------------------------------------------


@pytest.fixture
def kubernetes(stand: Stand, tmp_path: Path) -> Iterator[str]:
    """Mount a login that trusts KEY, with the roles `deploy`, for prod/rotator, and `any`; return its name."""
    with running(certificate(tmp_path).cert.read_text()) as api:
        if isinstance(stand.operator, OverHttp):
            stand.operator.cluster = api
        mount = f"k{uuid.uuid4().hex[:8]}"
        stand.operator.kubernetes(mount, public_pem(), dict(KEY.as_dict(private=False)))
        yield mount


def account(stand: Stand, name: str = "rotator", namespace: str = "prod", **other: Any) -> dict[str, Any]:
    inner = {"namespace": namespace, "serviceaccount": {"name": name, "uid": "u1"}}
    return claims_for(stand, **{"aud": ["vault"], "repo": None, "kubernetes.io": inner, **other})


def test_a_service_account_logs_in(stand: Stand, kubernetes: str) -> None:
    auth = log_in(stand, kubernetes, role="deploy", jwt=signed(account(stand))).json()["auth"]

    assert (auth["policies"], auth["lease_duration"]) == (["default", "rotator"], 600)
    assert auth["metadata"] == {
        "role": "deploy",
        "service_account_name": "rotator",
        "service_account_namespace": "prod",
        "service_account_secret_name": "",
        "service_account_uid": "u1",
    }
    told = stand.call("GET", "auth/token/lookup-self", token=auth["client_token"]).json()["data"]
    assert told["display_name"] == f"{kubernetes}-prod-rotator"


def test_a_star_takes_any_account_and_no_audience_asks_for_none(stand: Stand, kubernetes: str) -> None:
    other = signed(account(stand, name="x", namespace="y", aud=None))

    assert log_in(stand, kubernetes, role="any", jwt=other).status_code == 200


@pytest.mark.parametrize(
    ("other", "said"),
    [
        pytest.param({"name": "other"}, "service account name not authorized", id="another account"),
        pytest.param({"namespace": "other"}, "namespace not authorized", id="another namespace"),
        pytest.param({"aud": ["other"]}, AUDIENCE, id="another audience"),
        pytest.param({"exp": -600}, EXPIRED, id="expired"),
        pytest.param({"nbf": 600}, "invalid not before (nbf) claim: token not yet valid", id="not valid yet"),
    ],
)
def test_a_service_account_must_be_the_one_that_the_role_wants(
    stand: Stand, kubernetes: str, other: dict[str, Any], said: str
) -> None:
    got = log_in(stand, kubernetes, role="deploy", jwt=signed(account(stand, **other)))

    assert errors(got) == (403, [said])


def test_a_bad_signature_and_a_deleted_account_are_told_alike(stand: Stand, kubernetes: str) -> None:
    name = f"a{uuid.uuid4().hex[:8]}"
    token = signed(account(stand, name=name))
    before = log_in(stand, kubernetes, role="any", jwt=token).status_code
    stand.operator.forget(kubernetes, f"prod/{name}")
    denied = (403, ["permission denied"])

    assert before == 200
    assert errors(log_in(stand, kubernetes, role="any", jwt=token)) == denied
    assert errors(log_in(stand, kubernetes, role="any", jwt=signed(account(stand), OTHER))) == denied
    assert errors(log_in(stand, kubernetes, role="any", jwt="abc")) == denied


def test_a_kubernetes_login_names_what_is_missing(stand: Stand, kubernetes: str) -> None:
    assert errors(log_in(stand, kubernetes, jwt="x")) == (400, ["missing role"])
    assert errors(log_in(stand, kubernetes, role="deploy")) == (400, ["missing jwt"])
    assert errors(log_in(stand, kubernetes, role="no", jwt="x")) == (400, ['invalid role name "no"'])
    unconfigured = f"{kubernetes}-unconfigured"
    stand.operator.kubernetes(unconfigured, None, dict(KEY.as_dict(private=False)))
    got = log_in(stand, unconfigured, role="deploy", jwt="x")
    assert errors(got) == (500, ["could not load backend configuration"])
