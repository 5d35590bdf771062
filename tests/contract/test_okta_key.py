"""The key of our service app: in PEM, or as the JWK that Okta's console shows."""

from __future__ import annotations

import json
import traceback

import pytest
from joserfc.jwk import ECKey, RSAKey

from rotator.adapters.okta_key import key_in_pem
from rotator.core.secret_value import SecretValue
from rotator.errors import ConfigError
from tests.contract.okta_keys import rsa_pem


def test_a_key_in_pem_stays_as_it_is() -> None:
    given = SecretValue(rsa_pem())

    assert key_in_pem(given, "acme") == (given, None)


def test_a_jwk_becomes_pem_and_tells_its_id() -> None:
    jwk = RSAKey.import_key(rsa_pem()).as_dict(private=True) | {"kid": "k1"}

    pem, kid = key_in_pem(SecretValue(json.dumps(jwk)), "acme")

    assert kid == "k1"
    ours, theirs = (RSAKey.import_key(text).as_dict(private=True) for text in (pem.reveal(), rsa_pem()))
    assert (ours["n"], ours["d"]) == (theirs["n"], theirs["d"])


SECRET = str(RSAKey.import_key(rsa_pem()).as_dict(private=True)["d"])


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f'{{"kty": "RSA", "d": "{SECRET}"', id="no JSON"),
        pytest.param(json.dumps({"kty": "RSA", "d": SECRET}), id="half of a key"),
        pytest.param(json.dumps(RSAKey.import_key(rsa_pem()).as_dict(private=False)), id="a public key"),
        pytest.param(json.dumps(ECKey.generate_key("P-256").as_dict(private=True)), id="another kind of key"),
        pytest.param("{}", id="nothing"),
    ],
)
def test_what_is_no_private_rsa_key_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        key_in_pem(SecretValue(text), "acme")

    assert "auth of acme" in str(caught.value)
    assert SECRET[:20] not in "".join(traceback.format_exception(caught.value))
