"""Clients that sign: client_secret_jwt, private_key_jwt and DPoP (contracts: Okta 5.1, 5.2, 6.4)."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.sandbox.okta_clients import ASSERTION_TYPE
from rotator.sandbox.okta_jose import take_apart, thumbprint

from .okta_client import BASE, START, Answer, OktaClient, basic, org
from .okta_keys import KEY, OTHER_KEY, RSA_KEY, Key, Signer, jwt

if TYPE_CHECKING:
    from rotator.sandbox.okta_state import OktaApp

SECRET = "a-secret-long-enough-to-sign-with-0123"
CUSTOM = "/oauth2/default/v1/token"
ORG = "/oauth2/v1/token"
GRANT = {"grant_type": "client_credentials", "scope": "app.read"}


def secret_client(secret: str = SECRET, **settings: Any) -> tuple[OktaClient, OktaApp, Signer]:
    okta, _ = org(**settings)
    okta.add_authorization_server()
    app = okta.add_app(auth_method="client_secret_jwt", secrets=[secret])
    return OktaClient(okta), app, Signer(secret, okta)


def key_client(key: Key = KEY) -> tuple[OktaClient, OktaApp, Signer]:
    okta, _ = org()
    app = okta.add_service_app(key.public, scopes=["okta.apps.read"])
    return OktaClient(okta), app, Signer(key, okta)


def text_of(answer: Answer) -> str:
    assert answer.document["error"] == "invalid_client"
    assert answer.status == 401
    return str(answer.document["error_description"])


@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_secret_may_sign_an_assertion(algorithm: str) -> None:
    client, app, signer = secret_client()

    answer = client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM, header={"alg": algorithm}))

    assert answer.status == 200


@pytest.mark.parametrize("key", [pytest.param(KEY, id="elliptic"), pytest.param(RSA_KEY, id="RSA")])
def test_a_key_may_sign_an_assertion(key: Key) -> None:
    client, app, signer = key_client(key)

    answer = client.form(
        ORG, grant_type="client_credentials", scope="okta.apps.read", **signer.assertion(app.client_id, ORG)
    )

    assert (answer.status, answer.document["token_type"]) == (200, "Bearer")


def test_an_assertion_by_a_wrong_secret_has_an_invalid_signature() -> None:
    client, app, _ = secret_client()
    stranger = Signer("another-secret-long-enough-to-sign-with", client.okta)

    answer = client.form(CUSTOM, **GRANT, **stranger.assertion(app.client_id, CUSTOM))

    assert text_of(answer) == "The client_assertion signature is invalid."


@pytest.mark.parametrize(
    "signer_key", [pytest.param(OTHER_KEY, id="another key of the same id"), pytest.param("x" * 40, id="a secret")]
)
def test_an_assertion_by_a_wrong_key_has_an_invalid_signature(signer_key: Any) -> None:
    client, app, _ = key_client()

    answer = client.form(ORG, **GRANT, **Signer(signer_key, client.okta).assertion(app.client_id, ORG))

    assert text_of(answer) == "The client_assertion signature is invalid."


def test_an_unsigned_assertion_is_worth_nothing() -> None:
    client, app, signer = key_client()

    for header in ({"alg": "none"}, {"alg": "HS256"}):
        answer = client.form(ORG, **GRANT, **signer.assertion(app.client_id, ORG, header=header))
        assert text_of(answer) == "The client_assertion signature is invalid."


def test_a_short_secret_cannot_sign() -> None:
    client, app, signer = secret_client("a-short-secret")

    answer = client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM))

    assert text_of(answer) == "The client secret is too short to verify a JWT HMAC."


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        pytest.param(
            {"aud": BASE},
            "The audience claim for client_assertion must be the endpoint invoked for the request.",
            id="for somebody else",
        ),
        pytest.param({"exp": 1}, "The client_assertion token is expired.", id="expired"),
        pytest.param({"exp": int(START.timestamp())}, "The client_assertion token is expired.", id="ending just now"),
        pytest.param({"exp": True}, "The client_assertion token is expired.", id="ending at no time"),
        pytest.param({"exp": None}, "The client_assertion token is expired.", id="without an end"),
        pytest.param(
            {"exp": 4102444800},
            "The client_assertion token has an expiration too far into the future.",
            id="for too long",
        ),
        pytest.param(
            {"iat": 4102444800},
            "The client_assertion token must be issued before the current time.",
            id="from the future",
        ),
    ],
)
def test_an_assertion_that_breaks_a_rule_is_refused(claims: dict[str, Any], text: str) -> None:
    client, app, signer = secret_client()

    answer = client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM, **claims))

    assert text_of(answer) == text


def test_an_assertion_may_live_an_hour_but_no_longer() -> None:
    client, app, signer = secret_client()
    now = int(client.okta.org.clock.now().timestamp())

    statuses = [
        client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM, exp=now + seconds)).status
        for seconds in (3600, 3602)
    ]

    assert statuses == [200, 401]


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"iat": None}, id="without a beginning"),
        pytest.param({"aud": [f"{BASE}{CUSTOM}", "another"]}, id="for several"),
    ],
)
def test_an_assertion_may_lack_a_beginning_and_name_several_audiences(claims: dict[str, Any]) -> None:
    client, app, signer = secret_client()

    assert client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM, **claims)).status == 200


def test_an_assertion_is_good_once() -> None:
    client, app, signer = secret_client()
    assertion = signer.assertion(app.client_id, CUSTOM)

    first, second = (client.form(CUSTOM, **GRANT, **assertion) for _ in range(2))

    assert first.status == 200
    assert text_of(second) == "The client_assertion token has already been used."


def test_an_assertion_without_an_id_may_be_repeated() -> None:
    client, app, signer = secret_client()
    assertion = signer.assertion(app.client_id, CUSTOM, jti=None)

    assert [client.form(CUSTOM, **GRANT, **assertion).status for _ in range(2)] == [200, 200]


def test_an_assertion_names_its_type() -> None:
    client, app, signer = secret_client()
    assertion = signer.assertion(app.client_id, CUSTOM) | {"client_assertion_type": "jwt"}

    answer = client.form(CUSTOM, **GRANT, **assertion)

    assert (answer.status, answer.document["error"]) == (400, "invalid_request")
    assert "client_assertion_type" in answer.document["error_description"]


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "not base64!.x.y", "W10.W10.AA"])
def test_an_assertion_that_is_no_jwt_is_refused(text: str) -> None:
    client, _, _ = secret_client()

    answer = client.form(CUSTOM, **GRANT, client_assertion_type=ASSERTION_TYPE, client_assertion=text)

    assert text_of(answer) == "The client_assertion signature is invalid."


def test_an_assertion_speaks_for_its_own_client() -> None:
    client, app, signer = secret_client()

    other_issuer = client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM, iss="another"))
    other_client = client.form(CUSTOM, **GRANT, client_id="another", **signer.assertion(app.client_id, CUSTOM))
    unknown = client.form(CUSTOM, **GRANT, **signer.assertion("nobody", CUSTOM))

    assert (other_issuer.status, other_client.status) == (401, 401)
    assert unknown.document["errorCode"] == "invalid_client"


@pytest.mark.parametrize("at", [CUSTOM, "/oauth2/default/v1/introspect"])
def test_an_app_that_signs_takes_no_plain_secret(at: str) -> None:
    client, app, _ = secret_client()

    answer = client.form(at, basic(app.client_id, SECRET), token="x", **GRANT)

    assert text_of(answer).startswith("Client authentication failed.")


def test_an_app_with_a_plain_secret_takes_no_assertion() -> None:
    client, app, signer = secret_client()
    app.auth_method = "client_secret_basic"

    answer = client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM))

    assert text_of(answer).startswith("Client authentication failed.")


def test_an_assertion_and_a_header_are_two_kinds_of_credentials() -> None:
    client, app, signer = secret_client()

    answer = client.form(CUSTOM, basic(app.client_id, SECRET), **GRANT, **signer.assertion(app.client_id, CUSTOM))

    assert answer.document["error"] == "invalid_request"


def test_introspection_takes_an_assertion_made_for_it() -> None:
    client, app, signer = secret_client()
    path = "/oauth2/default/v1/introspect"

    good = client.form(path, token="x", **signer.assertion(app.client_id, path))
    bad = client.form(path, token="x", **signer.assertion(app.client_id, CUSTOM))

    assert (good.status, good.document) == (200, {"active": False})
    assert "audience" in text_of(bad)


def test_clients_may_live_by_real_time_while_the_sandbox_s_runs_ahead() -> None:
    client, app, signer = secret_client(client_clock="real")
    client.okta.org.clock.advance(timedelta(days=4000))
    now = int(time.time())

    answer = client.form(CUSTOM, **GRANT, **signer.assertion(app.client_id, CUSTOM, iat=now, exp=now + 60))

    assert answer.status == 200


# --- Proof of possession ----------------------------------------------------------------------------------


def bound_client(**settings: Any) -> tuple[OktaClient, OktaApp, Signer]:
    okta, _ = org(**settings)
    okta.add_authorization_server()
    app = okta.add_app(secrets=[SECRET], dpop_bound=True)
    return OktaClient(okta), app, Signer(KEY, okta)


def ask(client: OktaClient, app: OktaApp, proof: str | None = None, secret: str = SECRET) -> Answer:
    headers = {**basic(app.client_id, secret), **({"dpop": proof} if proof else {})}
    return client.form(CUSTOM, headers, **GRANT)


def test_a_bound_client_needs_a_proof() -> None:
    client, app, _ = bound_client()

    answer = ask(client, app)

    assert (answer.status, answer.document["error"]) == (400, "invalid_dpop_proof")
    assert answer.document["error_description"] == "The DPoP proof JWT header is missing."


def test_a_proof_needs_a_nonce_and_gets_a_bound_token() -> None:
    client, app, signer = bound_client()

    first = ask(client, app, signer.proof("POST", CUSTOM))
    nonce = first.header("dpop-nonce")
    second = ask(client, app, signer.proof("POST", CUSTOM, nonce=nonce))

    assert (first.status, first.document["error"]) == (400, "use_dpop_nonce")
    assert first.document["error_description"] == "Authorization server requires nonce in DPoP proof."
    assert nonce
    assert (second.status, second.document["token_type"]) == (200, "DPoP")
    (token,) = client.okta.org.access_tokens.values()
    assert token.key_thumbprint == thumbprint(KEY.public)
    signed = take_apart(token.value)
    assert signed
    assert signed.claims["cnf"] == {"jkt": token.key_thumbprint}


def test_a_proof_may_carry_an_rsa_key() -> None:
    client, app, _ = bound_client()
    signer = Signer(RSA_KEY, client.okta)
    nonce = ask(client, app, signer.proof("POST", CUSTOM)).header("dpop-nonce")

    assert ask(client, app, signer.proof("POST", CUSTOM, nonce=nonce)).status == 200


def test_a_client_may_bring_a_proof_unasked() -> None:
    client, app, signer = bound_client()
    app.dpop_bound = False
    nonce = ask(client, app, signer.proof("POST", CUSTOM)).header("dpop-nonce")

    assert ask(client, app, signer.proof("POST", CUSTOM, nonce=nonce)).document["token_type"] == "DPoP"
    assert ask(client, app).document["token_type"] == "Bearer"


def test_a_made_up_nonce_is_answered_by_a_real_one() -> None:
    client, app, signer = bound_client()

    answer = ask(client, app, signer.proof("POST", CUSTOM, nonce="made-up"))

    assert answer.document["error"] == "use_dpop_nonce"
    assert answer.header("dpop-nonce") not in {None, "made-up"}


def test_a_nonce_is_taken_for_three_days_and_renewed_after_one() -> None:
    client, app, signer = bound_client()
    old = ask(client, app, signer.proof("POST", CUSTOM)).header("dpop-nonce")
    client.okta.org.clock.advance(timedelta(days=2))
    new = ask(client, app, signer.proof("POST", CUSTOM)).header("dpop-nonce")
    late = ask(client, app, signer.proof("POST", CUSTOM, nonce=old)).status
    client.okta.org.clock.advance(timedelta(days=1, seconds=1))
    too_late = ask(client, app, signer.proof("POST", CUSTOM, nonce=old)).status

    assert old != new
    assert (late, too_late) == (200, 400)


@pytest.mark.parametrize(
    "case", ["another method", "another path", "old", "unsigned", "no key", "private key", "no proof at all"]
)
def test_a_proof_that_does_not_fit_is_refused(case: str) -> None:
    client, app, signer = bound_client()
    claims = {"htm": "POST", "htu": f"{BASE}{CUSTOM}", "iat": int(client.okta.org.clock.now().timestamp()), "jti": "1"}
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": KEY.public}
    proofs = {
        "another method": signer.proof("GET", CUSTOM),
        "another path": signer.proof("POST", ORG),
        "old": signer.proof("POST", CUSTOM, age=301),
        "unsigned": jwt(header, claims, key=OTHER_KEY),
        "no key": jwt({"typ": "dpop+jwt", "alg": "ES256"}, claims, key=KEY),
        "private key": jwt(header | {"jwk": KEY.public | {"d": "AQAB"}}, claims, key=KEY),
        "no proof at all": "nonsense",
    }

    answer = ask(client, app, proofs[case])

    assert (answer.status, answer.document["error"]) == (400, "invalid_dpop_proof")


def test_the_secret_is_looked_at_before_the_proof() -> None:
    client, app, _ = bound_client()

    assert ask(client, app, secret="wrong").document["error"] == "invalid_client"


def test_the_proof_may_be_looked_at_before_the_secret() -> None:
    client, app, signer = bound_client(dpop_check_first=True)

    missing = ask(client, app, secret="wrong")
    nonce = ask(client, app, signer.proof("POST", CUSTOM), secret="wrong")
    good = ask(client, app, signer.proof("POST", CUSTOM, nonce=nonce.header("dpop-nonce")))

    assert [answer.document.get("error") for answer in (missing, nonce, good)] == [
        "invalid_dpop_proof",
        "use_dpop_nonce",
        None,
    ]


def test_an_assertion_is_spent_on_the_question_for_a_nonce() -> None:
    okta, _ = org()
    app = okta.add_service_app(KEY.public, scopes=["okta.apps.read"], dpop_bound=True)
    client, signer = OktaClient(okta), Signer(KEY, okta)
    fields = {"grant_type": "client_credentials", "scope": "okta.apps.read", **signer.assertion(app.client_id, ORG)}

    first = client.form(ORG, {"dpop": signer.proof("POST", ORG)}, **fields)
    again = client.form(ORG, {"dpop": signer.proof("POST", ORG, nonce=first.header("dpop-nonce"))}, **fields)

    assert first.document["error"] == "use_dpop_nonce"
    assert text_of(again) == "The client_assertion token has already been used."
