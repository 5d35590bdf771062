"""Whom the Vault adapter trusts, where it sends secrets, and that the environment has no say in it."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_connection import JwtAuth, TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import ConfigError, RotatorError, UnavailableError
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox, Tls

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

PATH = KvPath("secret", "billing/okta")
FIELDS = SecretFields({"client_secret": "a value"})
CANARY = "cnry-password"


def root() -> SecretValue:
    return SecretValue("root")


def certificate(directory: Path, name: str) -> Tls:
    """Make a self-signed certificate for a host name or address."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    try:
        host: x509.GeneralName = x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        host = x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([host]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    tls = Tls(directory / f"{name}.pem", directory / f"{name}.key")
    tls.cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    tls.key.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return tls


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def box(tls: Tls) -> Iterator[Sandbox]:
    with Sandbox(tls=tls) as box:
        box.vault.put(PATH.mount, PATH.path, FIELDS.reveal())
        yield box


async def read(address: str, **settings: Any) -> object:
    connection = VaultConnection(address, TokenAuth(root), answer_within=dt.timedelta(seconds=5), **settings)
    kv = VaultKv(connection, SystemClock(), first_pause=dt.timedelta(milliseconds=5))
    try:
        return await kv.read(PATH)
    finally:
        await kv.aclose()


# --- trust ----------------------------------------------------------------------------------------------------


async def test_a_certificate_of_the_given_ca_is_trusted(box: Sandbox, tls: Tls) -> None:
    assert await read(box.vault_url, ca_file=tls.cert) is not None


async def test_a_certificate_of_nobody_we_know_is_not(box: Sandbox) -> None:
    with pytest.raises(UnavailableError, match="certificate is not trusted") as caught:
        await read(box.vault_url)

    assert "ca_file" in caught.value.hint


async def test_a_certificate_of_another_ca_is_not(box: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match="certificate is not trusted"):
        await read(box.vault_url, ca_file=certificate(tmp_path, "127.0.0.1").cert)


async def test_a_certificate_for_another_host_is_not(tmp_path: Path) -> None:
    other = certificate(tmp_path, "other.example.com")
    with Sandbox(tls=other) as box, pytest.raises(UnavailableError, match="certificate is not trusted"):
        await read(box.vault_url, ca_file=other.cert)


async def test_a_server_without_tls_is_unavailable(tls: Tls) -> None:
    with Sandbox() as box, pytest.raises(UnavailableError):
        await read(box.vault_url.replace("http:", "https:"), ca_file=tls.cert)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        pytest.param(None, "No such file", id="missing"),
        pytest.param(b"", "no certificate", id="empty"),
        pytest.param(b"not a certificate", "no certificate", id="something else"),
    ],
)
async def test_a_ca_file_of_no_use_is_said_to_be_one(
    box: Sandbox, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    ca_file = tmp_path / "ca.pem"
    if content is not None:
        ca_file.write_bytes(content)

    with pytest.raises(ConfigError, match=reason):
        await read(box.vault_url, ca_file=ca_file)


# --- where secrets are sent -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "http://vault.example.com:8200",
        "http://192.0.2.1",
        "http://localhost.example.com",
        "ftp://vault.example.com",
        "vault.example.com:8200",
        "https://",
        f"https://user:{CANARY}@vault.example.com",
        "https://vault.example.com?x=1",
        "https://vault.example.com/#x",
        "https://vault.example.com:port",
        "https://vault.example.com/../x",
        "",
    ],
)
def test_an_address_that_would_send_secrets_astray_is_refused(address: str) -> None:
    with pytest.raises(ConfigError) as caught:
        VaultConnection(address, TokenAuth(root))

    assert CANARY not in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["http://localhost:8200", "http://127.0.0.1:8200", "http://[::1]:8200", "https://vault.example.com/prefix/"],
)
def test_an_address_that_is_safe_is_taken(address: str) -> None:
    assert VaultConnection(address, TokenAuth(root)).address == address.rstrip("/")


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        VaultConnection(
            "http://vault.example.com",
            JwtAuth("rotator", root, mount="../sys"),
            namespace="a b",
            answer_within=dt.timedelta(0),
        )

    named = [problem.split(":")[0] for problem in caught.value.problems]
    assert named == ["address", "namespace", "auth.mount", "answer_within"]


def test_a_connection_shows_no_secret() -> None:
    proxy = f"http://user:{CANARY}@proxy.example.com"
    connection = VaultConnection("https://vault.example.com", TokenAuth(lambda: SecretValue(CANARY)), proxy=proxy)

    assert CANARY not in repr(connection)


async def test_a_proxy_that_is_not_there_is_said_to_be_the_trouble(tls: Tls) -> None:
    with pytest.raises(RotatorError, match="proxy") as caught:
        await read("https://vault.invalid", proxy=f"http://user:{CANARY}@127.0.0.1:1", ca_file=tls.cert)

    assert CANARY not in f"{caught.value} {caught.value.__cause__} {caught.value.hint}"


async def test_a_name_that_nobody_knows_is_said_to_be_one(tls: Tls) -> None:
    with pytest.raises(UnavailableError) as caught:
        await read("https://vault.invalid", ca_file=tls.cert)

    assert "address" in caught.value.hint


# --- the environment --------------------------------------------------------------------------------------------


PROGRAM = """
import asyncio, datetime, sys
from pathlib import Path
from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_connection import JwtAuth, TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretValue

async def main(address, ca_file, token):
    auth = TokenAuth(lambda: SecretValue(token)) if token else JwtAuth("r", lambda: SecretValue("jwt"))
    kv = VaultKv(VaultConnection(address, auth, ca_file=Path(ca_file)), SystemClock())
    held = await kv.read(KvPath("secret", "billing/okta"))
    print(held.fields.reveal()["client_secret"])

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
async def elsewhere() -> AsyncIterator[Sandbox]:
    """Where a planted environment would lead."""
    with Sandbox() as box:
        yield box
        assert box.journal.count() == 0


def run_with_planted_environment(box: Sandbox, tls: Tls, home: Path, elsewhere: Sandbox, token: str) -> str:
    (home / ".vault-token").write_text("from-the-home")
    (home / ".netrc").write_text("machine 127.0.0.1 login netrc password netrc\n")
    (home / ".netrc").chmod(0o600)
    planted = {
        "HOME": str(home),
        "VAULT_ADDR": elsewhere.vault_url,
        "VAULT_TOKEN": "from-the-environment",
        "VAULT_NAMESPACE": "nowhere",
        "VAULT_CACERT": "/nowhere/ca.pem",
        "VAULT_CAPATH": "/nowhere",
        "VAULT_CLIENT_CERT": "/nowhere/cert.pem",
        "VAULT_CLIENT_KEY": "/nowhere/key.pem",
        "REQUESTS_CA_BUNDLE": "/nowhere/bundle.pem",
        "CURL_CA_BUNDLE": "/nowhere/bundle.pem",
        **dict.fromkeys(
            ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"), elsewhere.vault_url
        ),
    }
    command = [sys.executable, "-c", PROGRAM, box.vault_url, str(tls.cert), token]
    done = subprocess.run(command, env=os.environ | planted, capture_output=True, text=True, check=False, timeout=60)
    return done.stdout.strip() or done.stderr.strip().splitlines()[-1]


def test_the_environment_has_no_say(box: Sandbox, tls: Tls, tmp_path: Path, elsewhere: Sandbox) -> None:
    assert run_with_planted_environment(box, tls, tmp_path, elsewhere, "root") == "a value"


def test_a_login_does_not_fall_back_on_a_token_that_lies_about(
    box: Sandbox, tls: Tls, tmp_path: Path, elsewhere: Sandbox
) -> None:
    mark = box.journal.mark()
    box.faults.answer(400, Wanted(path="/v1/auth/jwt/login"), body={"errors": ["invalid role"]})

    said = run_with_planted_environment(box, tls, tmp_path, elsewhere, "")

    assert "RefusedError" in said
    assert "log in by JWT" in said
    assert [call.path for call in box.journal.calls(since=mark)] == ["/v1/auth/jwt/login"]
