"""Every way to log in at Vault, against the sandbox and against a real server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey

from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_connection import AppRoleAuth, Auth, JwtAuth, TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import RefusedError, RotatorError
from tests.contract.vault_people import VaultPeople

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator

    from tests.contract.conftest import RealVault

FIELDS = SecretFields({"client_secret": "a value"})
KEY = ECKey.generate_key("P-256")


class Operators(Protocol):
    """What those who run a Vault set up for us. Our policy: read and write below `secret/rotator/`."""

    address: str
    mount: str  # our auth methods are at `<mount>-approle` and `<mount>-jwt`

    def token(self, **settings: Any) -> str: ...
    def revoke(self, token: str) -> None: ...
    def logins(self) -> int: ...
    def end_logins(self) -> None: ...
    def approle(self, **settings: Any) -> tuple[str, str]: ...
    def wrapped(self, *, honest: bool = ...) -> tuple[str, str]: ...
    def unwrap(self, token: str) -> None: ...
    def jwt_role(self, audience: str) -> None: ...


class OperatorsOfARealVault:
    """Everything is set up over HTTP, on mounts of its own."""

    def __init__(self, address: str, root: str) -> None:
        self.address = address
        self._people = VaultPeople(address, root)
        self.mount = f"t{uuid.uuid4().hex[:8]}"
        rules = 'path "secret/data/rotator/*" { capabilities = ["create", "read", "update"] }\n'
        rules += 'path "secret/metadata/rotator/*" { capabilities = ["read"] }\n'
        self._people.call("POST", f"sys/policies/acl/{self.mount}", {"policy": rules})
        self._people.call("POST", f"sys/auth/{self.mount}-approle", {"type": "approle"})
        self._people.call("POST", f"sys/auth/{self.mount}-jwt", {"type": "jwt"})

    def close(self) -> None:
        for method in ("approle", "jwt"):
            self._people.call("DELETE", f"sys/auth/{self.mount}-{method}")
        self._people.close()

    def token(self, **settings: Any) -> str:
        made = self._people.call("POST", "auth/token/create", {"policies": [self.mount], **settings})
        return str(made["auth"]["client_token"])

    def revoke(self, token: str) -> None:
        self._people.call("POST", "auth/token/revoke", {"token": token})

    def logins(self) -> int:
        """Return how many tokens live that an AppRole login made."""
        accessors = self._people.call("LIST", "auth/token/accessors")["data"]["keys"]
        return sum(self._made_by(accessor) == f"auth/{self.mount}-approle/login" for accessor in accessors)

    def _made_by(self, accessor: str) -> str | None:
        with suppress(AssertionError):  # somebody else's, and gone meanwhile
            return str(self._people.call("POST", "auth/token/lookup-accessor", {"accessor": accessor})["data"]["path"])
        return None

    def end_logins(self) -> None:
        self._people.call("POST", f"sys/leases/revoke-prefix/auth/{self.mount}-approle/login", {})

    def approle(self, **settings: Any) -> tuple[str, str]:
        role = f"auth/{self.mount}-approle/role/rotator"
        self._people.call("POST", role, {"token_policies": [self.mount], **settings})
        role_id = self._people.call("GET", f"{role}/role-id")["data"]["role_id"]
        return role_id, self._people.call("POST", f"{role}/secret-id", {})["data"]["secret_id"]

    def wrapped(self, *, honest: bool = True) -> tuple[str, str]:
        role_id, secret_id = self.approle()
        place = f"auth/{self.mount}-approle/role/rotator/secret-id" if honest else "sys/wrapping/wrap"
        made = self._people.call(
            "POST", place, {"secret_id": secret_id} if not honest else {}, {"X-Vault-Wrap-TTL": "60"}
        )
        return role_id, made["wrap_info"]["token"]

    def unwrap(self, token: str) -> None:
        self._people.call("POST", "sys/wrapping/unwrap", {}, {"X-Vault-Token": token})

    def jwt_role(self, audience: str) -> None:
        place = f"auth/{self.mount}-jwt"
        self._people.call("POST", f"{place}/config", {"jwt_validation_pubkeys": [KEY.as_pem(private=False).decode()]})
        role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience], "token_policies": [self.mount]}
        self._people.call("POST", f"{place}/role/rotator", role)


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.real_vault)])
def operators(request: pytest.FixtureRequest) -> Iterator[Operators]:
    real: RealVault = request.getfixturevalue("real_vault")
    operators = OperatorsOfARealVault(real.address, real.token)
    yield operators
    operators.close()


Connect = Callable[[Auth], VaultKv]


@pytest.fixture
async def connect(operators: Operators) -> AsyncIterator[Connect]:
    made: list[VaultKv] = []

    def make(auth: Auth) -> VaultKv:
        made.append(VaultKv(VaultConnection(operators.address, auth), SystemClock()))
        return made[-1]

    yield make
    for kv in made:
        await kv.aclose()


def given(text: str) -> Callable[[], SecretValue]:
    return lambda: SecretValue(text)


def path() -> KvPath:
    return KvPath("secret", f"rotator/{uuid.uuid4().hex}")


def signed(audience: str, *, ends_in: int = 600) -> str:
    now = int(time.time())
    claims = {"sub": "rotator", "aud": audience, "iat": now, "nbf": now - 60, "exp": now + ends_in}
    return jwt.encode({"alg": "ES256"}, claims, KEY)


async def works(kv: VaultKv) -> bool:
    here = path()
    return await kv.write(here, FIELDS, cas=0) == 1 and await kv.read(here) is not None


async def refusal(call: Awaitable[object]) -> RefusedError:
    with pytest.raises(RotatorError) as caught:
        await call
    assert isinstance(caught.value, RefusedError), repr(caught.value)
    assert str(caught.value).isprintable()
    return caught.value


def by_approle(operators: Operators, role_id: str, secret_id: str, *, wrapped: bool = False) -> AppRoleAuth:
    return AppRoleAuth(given(role_id), given(secret_id), wrapped=wrapped, mount=f"{operators.mount}-approle")


# --- a token ----------------------------------------------------------------------------------------------------


async def test_a_given_token_works(operators: Operators, connect: Connect) -> None:
    assert await works(connect(TokenAuth(given(operators.token()))))


async def test_a_revoked_token_is_refused(operators: Operators, connect: Connect) -> None:
    token = operators.token()
    kv = connect(TokenAuth(given(token)))
    assert await works(kv)
    operators.revoke(token)

    error = await refusal(kv.read(path()))
    assert error.code == "token"
    assert token not in str(error)


async def test_what_the_policy_forbids_is_told(operators: Operators, connect: Connect) -> None:
    kv = connect(TokenAuth(given(operators.token())))
    assert await works(kv)

    error = await refusal(kv.write(KvPath("secret", "of/others"), FIELDS, cas=0))
    assert error.code == "403"
    assert "`create` and `update` on `secret/data/of/others`" in error.hint


async def test_destroying_without_permission_is_told(operators: Operators, connect: Connect) -> None:
    kv, here = connect(TokenAuth(given(operators.token()))), path()
    await kv.write(here, FIELDS, cas=0)

    assert f"`update` on `secret/destroy/{here.path}`" in (await refusal(kv.destroy(here, [1]))).hint


async def test_a_mount_that_is_not_there_is_refused(operators: Operators, connect: Connect) -> None:
    error = await refusal(connect(TokenAuth(given(operators.token()))).read(KvPath("nowhere", "a")))

    assert "mount" in error.hint


# --- AppRole ----------------------------------------------------------------------------------------------------


async def test_approle_works(operators: Operators, connect: Connect) -> None:
    role_id, secret_id = operators.approle()

    assert await works(connect(by_approle(operators, role_id, secret_id)))


@pytest.mark.parametrize("wrong", ["role", "secret"])
async def test_wrong_approle_credentials_are_refused(operators: Operators, connect: Connect, wrong: str) -> None:
    role_id, secret_id = operators.approle()
    nonsense = "6f1c7a9e-wrong"
    auth = by_approle(operators, nonsense if wrong == "role" else role_id, nonsense if wrong == "secret" else secret_id)

    error = await refusal(connect(auth).read(path()))
    assert "log in by AppRole" in str(error)
    assert nonsense not in str(error)


async def test_a_secret_id_for_one_login_serves_one(operators: Operators, connect: Connect) -> None:
    role_id, secret_id = operators.approle(secret_id_num_uses=1)

    assert await works(connect(by_approle(operators, role_id, secret_id)))
    error = await refusal(connect(by_approle(operators, role_id, secret_id)).read(path()))
    assert "secret_id_num_uses" in error.hint


async def test_our_token_ends_with_us(operators: Operators, connect: Connect) -> None:
    role_id, secret_id = operators.approle()
    kv = connect(by_approle(operators, role_id, secret_id))
    assert await works(kv)
    assert operators.logins() == 1
    await kv.aclose()

    assert operators.logins() == 0


# --- AppRole with a wrapped secret id -----------------------------------------------------------------------------


async def test_a_wrapped_secret_id_works(operators: Operators, connect: Connect) -> None:
    role_id, wrapping = operators.wrapped()

    assert await works(connect(by_approle(operators, role_id, wrapping, wrapped=True)))


async def test_a_wrapping_token_that_somebody_used_is_an_alarm(operators: Operators, connect: Connect) -> None:
    role_id, wrapping = operators.wrapped()
    operators.unwrap(wrapping)

    error = await refusal(connect(by_approle(operators, role_id, wrapping, wrapped=True)).read(path()))
    assert "somebody else has unwrapped it" in error.hint
    assert wrapping not in str(error)


async def test_a_wrapping_token_made_elsewhere_is_an_alarm_and_stays_wrapped(
    operators: Operators, connect: Connect
) -> None:
    role_id, wrapping = operators.wrapped(honest=False)

    error = await refusal(connect(by_approle(operators, role_id, wrapping, wrapped=True)).read(path()))
    assert error.code == "wrapping_token"
    assert "sys/wrapping/wrap" in str(error)
    operators.unwrap(wrapping)  # nobody has


async def test_an_unwrapped_secret_id_serves_later_logins(operators: Operators, connect: Connect) -> None:
    role_id, wrapping = operators.wrapped()
    kv = connect(by_approle(operators, role_id, wrapping, wrapped=True))
    assert await works(kv)
    operators.end_logins()

    assert await works(kv)


# --- JWT ----------------------------------------------------------------------------------------------------------


async def test_a_jwt_works(operators: Operators, connect: Connect) -> None:
    operators.jwt_role("vault")

    assert await works(connect(JwtAuth("rotator", given(signed("vault")), mount=f"{operators.mount}-jwt")))


@pytest.mark.parametrize(
    ("role", "audience", "ends_in"),
    [
        pytest.param("rotator", "another", 600, id="another audience"),
        pytest.param("rotator", "vault", -600, id="expired"),
        pytest.param("nobody", "vault", 600, id="another role"),
    ],
)
async def test_a_jwt_that_does_not_fit_is_refused(
    operators: Operators, connect: Connect, role: str, audience: str, ends_in: int
) -> None:
    operators.jwt_role("vault")
    token = signed(audience, ends_in=ends_in)

    error = await refusal(connect(JwtAuth(role, given(token), mount=f"{operators.mount}-jwt")).read(path()))
    assert "log in by JWT" in str(error)
    assert token not in str(error)
