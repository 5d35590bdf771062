"""What an answer of the token or introspection endpoint says about the secret (contracts: Okta 5.2, 5.3)."""

from __future__ import annotations

import pytest

from rotator.adapters.okta_verdict import Reply, of_grant, of_introspection
from rotator.core.model import ProofLevel

ISSUED, BELIEVED = ProofLevel.TOKEN_ISSUED, ProofLevel.CLIENT_AUTHENTICATED
REFUSED, UNCLEAR = ProofLevel.REFUSED, ProofLevel.INCONCLUSIVE


def oauth(status: int, error: str, description: str = "") -> Reply:
    return Reply(status, {"error": error, "error_description": description})


def managed(status: int, code: str, summary: str = "") -> Reply:
    return Reply(status, {"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": "oaeX"})


WRONG = "The client secret supplied for a confidential client is invalid."
GENERAL = "Client authentication failed. Either the client or the client credentials are invalid."
UNKNOWN = "Invalid value for 'client_id' parameter."
AUDIENCE = "The audience claim for client_assertion must be the endpoint invoked for the request."
ORG = "Client Credentials requests to the Org Authorization Server must use the private_key_jwt token_endpoint_auth ..."
TYPE = "Only clients with 'application_type' of 'service' may use the client_credentials 'grant_type' with the Org ..."
OIN = "OAuth Integration Client Credentials requests ... must use either private_key_jwt or client_secret_basic ..."

GRANTS = {
    "a token": (Reply(200, {"access_token": "t", "token_type": "Bearer"}), ISSUED),
    "200 without a token": (Reply(200, {"token_type": "Bearer"}), UNCLEAR),
    "200 with a page": (Reply(200, None), UNCLEAR),
    "a wrong secret": (oauth(401, "invalid_client", WRONG), REFUSED),
    "a wrong secret, in words that nobody has seen": (oauth(401, "invalid_client", "Nope"), REFUSED),
    "a wrong secret, without words": (Reply(401, {"error": "invalid_client"}), REFUSED),
    "the general words": (oauth(401, "invalid_client", GENERAL), REFUSED),
    "a bad signature of a client_secret_jwt": (
        oauth(401, "invalid_client", "The client_assertion signature is invalid."),
        REFUSED,
    ),
    "an unknown client, in the management shape": (managed(401, "invalid_client", UNKNOWN), UNCLEAR),
    "an unknown client, reworded": (oauth(401, "invalid_client", "Invalid value for `client_id` parameter."), UNCLEAR),
    "a secret at the org's own server": (oauth(401, "invalid_client", ORG), UNCLEAR),
    "a web app at the org's own server": (oauth(401, "invalid_client", TYPE), UNCLEAR),
    "an integration with another method": (oauth(401, "invalid_client", OIN), UNCLEAR),
    "no credentials arrived": (oauth(401, "invalid_client", "No client credentials found."), UNCLEAR),
    "a mangled header": (
        oauth(401, "invalid_client", "Found Authentication header but was not valid client credentials."),
        UNCLEAR,
    ),
    "a secret too short for a JWT": (
        oauth(401, "invalid_client", "The client secret is too short to verify a JWT HMAC."),
        UNCLEAR,
    ),
    "an assertion for another address": (oauth(401, "invalid_client", AUDIENCE), UNCLEAR),
    "an assertion that came late": (oauth(401, "invalid_client", "The client_assertion token is expired."), UNCLEAR),
    "an assertion that came twice": (
        oauth(401, "invalid_client", "The client_assertion token has already been used."),
        UNCLEAR,
    ),
    "an assertion of tomorrow": (
        oauth(401, "invalid_client", "The client_assertion token must be issued before the current time."),
        UNCLEAR,
    ),
    "invalid_client with another status": (oauth(400, "invalid_client", WRONG), UNCLEAR),
    "a policy that does not match": (oauth(401, "access_denied", "Policy evaluation failed ..."), BELIEVED),
    "scopes denied": (oauth(400, "access_denied", "Policy evaluation succeeded, but ..."), BELIEVED),
    "another network zone": (oauth(403, "access_denied", "... outside the client's permitted network zones."), UNCLEAR),
    "a scope that is not there": (oauth(400, "invalid_scope", "One or more scopes are not configured ..."), BELIEVED),
    "a grant that the client may not use": (oauth(400, "unauthorized_client", "The client is not ..."), BELIEVED),
    "a grant that the server does not know": (oauth(400, "unsupported_grant_type"), UNCLEAR),
    "a DPoP nonce wanted": (oauth(400, "use_dpop_nonce"), UNCLEAR),
    "no DPoP proof": (oauth(400, "invalid_dpop_proof"), UNCLEAR),
    "two kinds of credentials": (oauth(401, "invalid_request", "Cannot supply multiple ..."), UNCLEAR),
    "overload": (oauth(400, "temporarily_unavailable"), UNCLEAR),
    "a user's rate limit, which calls itself invalid_grant": (oauth(429, "invalid_grant"), UNCLEAR),
    "a rate limit": (managed(429, "E0000047"), UNCLEAR),
    "no licence for custom servers": (managed(401, "E0000015"), UNCLEAR),
    "no such server": (managed(404, "E0000007"), UNCLEAR),
    "500 that speaks of the client": (oauth(500, "invalid_client", WRONG), UNCLEAR),
    "401 with a page": (Reply(401, None), UNCLEAR),
    "a redirect": (Reply(302, None), UNCLEAR),
    "an error that is no text": (Reply(401, {"error": ["invalid_client"]}), UNCLEAR),
}


@pytest.mark.parametrize(("reply", "level"), GRANTS.values(), ids=GRANTS)
def test_the_answer_to_a_grant(reply: Reply, level: ProofLevel) -> None:
    assert of_grant(reply).level is level


WEAK = {
    "a grant that the server does not know",
    "a DPoP nonce wanted",
    "no DPoP proof",
    "another network zone",
}


@pytest.mark.parametrize("case", GRANTS)
def test_introspection_is_asked_only_where_the_secret_may_not_have_been_looked_at(case: str) -> None:
    assert of_grant(GRANTS[case][0]).weak is (case in WEAK)


INTROSPECTIONS = {
    "the bogus token is not active": (Reply(200, {"active": False}), BELIEVED),
    "200 without a word on it": (Reply(200, {}), UNCLEAR),
    "a wrong secret": (oauth(401, "invalid_client", WRONG), REFUSED),
    "an unknown client": (managed(401, "invalid_client", UNKNOWN), UNCLEAR),
    "service apps may not introspect": (
        oauth(400, "invalid_request", "Clients with 'application_type' of 'service' are not allowed ..."),
        UNCLEAR,
    ),
    "a token is no answer here": (Reply(200, {"access_token": "t"}), UNCLEAR),
    "a page": (Reply(200, None), UNCLEAR),
}


@pytest.mark.parametrize(("reply", "level"), INTROSPECTIONS.values(), ids=INTROSPECTIONS)
def test_the_answer_to_an_introspection(reply: Reply, level: ProofLevel) -> None:
    assert of_introspection(reply).level is level


@pytest.mark.parametrize(
    ("reply", "hint"),
    [
        (oauth(400, "invalid_scope"), "verify.scope"),
        (managed(404, "E0000007"), "verify.authorization_server"),
        (oauth(401, "invalid_client", "The client_assertion token is expired."), "clock"),
        (managed(401, "invalid_client", UNKNOWN), "client id"),
        (Reply(302, None), "org_url"),
    ],
)
def test_the_detail_says_what_to_mend(reply: Reply, hint: str) -> None:
    assert hint in of_grant(reply).detail
