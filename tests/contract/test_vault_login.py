"""Every way to log in at Vault, against the sandbox and against a real server."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from joserfc import jwt

from rotator.adapters.clock import SystemClock
from rotator.adapters.vault_connection import AppRoleAuth, Auth, JwtAuth, KubernetesAuth, TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import RefusedError, RotatorError
from rotator.sandbox.world import Sandbox
from tests.contract.vault_operators import KEY, Operators, OperatorsOfARealVault, OperatorsOfTheSandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Iterator

    from tests.dev_vault import RealVault

FIELDS = SecretFields({"client_secret": "a value"})


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox() as box:
        yield box


@pytest.fixture(params=["sandbox", pytest.param("real", marks=pytest.mark.real_vault)])
def operators(request: pytest.FixtureRequest) -> Iterator[Operators]:
    operators: Operators
    if request.param == "sandbox":
        operators = OperatorsOfTheSandbox(request.getfixturevalue("box"))
    else:
        real: RealVault = request.getfixturevalue("real_vault")
        operators = OperatorsOfARealVault(real.address, real.token)
    yield operators
    operators.close()


@pytest.fixture
def sandboxed(box: Sandbox) -> Iterator[OperatorsOfTheSandbox]:
    """Where no server at hand could play along."""
    operators = OperatorsOfTheSandbox(box)
    yield operators
    operators.close()


Connect = Callable[..., VaultKv]


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Makes adapters, and closes them in the end."""
    made: list[VaultKv] = []

    def make(operators: Operators, auth: Auth, namespace: str | None = None) -> VaultKv:
        made.append(VaultKv(VaultConnection(operators.address, auth, namespace=namespace), SystemClock()))
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
    assert await works(connect(operators, TokenAuth(given(operators.token()))))


async def test_a_revoked_token_is_refused(operators: Operators, connect: Connect) -> None:
    token = operators.token()
    kv = connect(operators, TokenAuth(given(token)))
    assert await works(kv)
    operators.revoke(token)

    error = await refusal(kv.read(path()))
    assert error.code == "token"
    assert token not in str(error)


async def test_what_the_policy_forbids_is_told(operators: Operators, connect: Connect) -> None:
    kv = connect(operators, TokenAuth(given(operators.token())))
    assert await works(kv)

    error = await refusal(kv.write(KvPath("secret", "of/others"), FIELDS, cas=0))
    assert error.code == "403"
    assert "`create` and `update` on `secret/data/of/others`" in error.hint


async def test_destroying_without_permission_is_told(operators: Operators, connect: Connect) -> None:
    kv, here = connect(operators, TokenAuth(given(operators.token()))), path()
    await kv.write(here, FIELDS, cas=0)

    assert f"`update` on `secret/destroy/{here.path}`" in (await refusal(kv.destroy(here, [1]))).hint


async def test_a_mount_that_is_not_there_is_refused(operators: Operators, connect: Connect) -> None:
    error = await refusal(connect(operators, TokenAuth(given(operators.token()))).read(KvPath("nowhere", "a")))

    assert "mount" in error.hint


# --- AppRole ----------------------------------------------------------------------------------------------------


async def test_approle_works(operators: Operators, connect: Connect) -> None:
    role_id, secret_id = operators.approle()

    assert await works(connect(operators, by_approle(operators, role_id, secret_id)))


@pytest.mark.parametrize("wrong", ["role", "secret"])
async def test_wrong_approle_credentials_are_refused(operators: Operators, connect: Connect, wrong: str) -> None:
    role_id, secret_id = operators.approle()
    nonsense = "6f1c7a9e-wrong"
    auth = by_approle(operators, nonsense if wrong == "role" else role_id, nonsense if wrong == "secret" else secret_id)

    error = await refusal(connect(operators, auth).read(path()))
    assert "log in by AppRole" in str(error)
    assert nonsense not in str(error)


async def test_a_secret_id_for_one_login_serves_one(operators: Operators, connect: Connect) -> None:
    role_id, secret_id = operators.approle(secret_id_num_uses=1)

    assert await works(connect(operators, by_approle(operators, role_id, secret_id)))
    error = await refusal(connect(operators, by_approle(operators, role_id, secret_id)).read(path()))
    assert "secret_id_num_uses" in error.hint


async def test_our_token_ends_with_us(operators: Operators, connect: Connect) -> None:
    role_id, secret_id = operators.approle()
    kv = connect(operators, by_approle(operators, role_id, secret_id))
    assert await works(kv)
    assert operators.logins() == 1
    await kv.aclose()

    assert operators.logins() == 0


# --- AppRole with a wrapped secret id -----------------------------------------------------------------------------


async def test_a_wrapped_secret_id_works(operators: Operators, connect: Connect) -> None:
    role_id, _ = operators.approle()
    wrapping = operators.envelope()

    assert await works(connect(operators, by_approle(operators, role_id, wrapping, wrapped=True)))


async def test_a_wrapping_token_that_somebody_used_is_an_alarm(operators: Operators, connect: Connect) -> None:
    role_id, _ = operators.approle()
    wrapping = operators.envelope()
    operators.unwrap(wrapping)

    error = await refusal(connect(operators, by_approle(operators, role_id, wrapping, wrapped=True)).read(path()))
    assert "somebody else has unwrapped it" in error.hint
    assert wrapping not in str(error)


async def test_a_wrapping_token_made_elsewhere_is_an_alarm_and_stays_wrapped(
    operators: Operators, connect: Connect
) -> None:
    role_id, secret_id = operators.approle()
    wrapping = operators.forgery(secret_id)

    error = await refusal(connect(operators, by_approle(operators, role_id, wrapping, wrapped=True)).read(path()))
    assert error.code == "wrapping_token"
    assert "it was made by 'secret/data/forged/" in str(error)
    operators.unwrap(wrapping)  # nobody has


async def test_an_unwrapped_secret_id_serves_later_logins(operators: Operators, connect: Connect) -> None:
    role_id, _ = operators.approle()
    wrapping = operators.envelope()
    kv = connect(operators, by_approle(operators, role_id, wrapping, wrapped=True))
    assert await works(kv)
    operators.end_logins()

    assert await works(kv)


# --- JWT ----------------------------------------------------------------------------------------------------------


async def test_a_jwt_works(operators: Operators, connect: Connect) -> None:
    operators.jwt_role("vault")

    assert await works(connect(operators, JwtAuth("rotator", given(signed("vault")), mount=f"{operators.mount}-jwt")))


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

    error = await refusal(connect(operators, JwtAuth(role, given(token), mount=f"{operators.mount}-jwt")).read(path()))
    assert "log in by JWT" in str(error)
    assert token not in str(error)


# --- Kubernetes -------------------------------------------------------------------------------------------------


def account_token(name: str = "rotator", namespace: str = "okta") -> str:
    now = int(time.time())
    claims = {
        "iss": "https://kubernetes.default.svc",
        "sub": f"system:serviceaccount:{namespace}:{name}",
        "aud": ["https://kubernetes.default.svc"],
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "kubernetes.io": {"namespace": namespace, "serviceaccount": {"name": name, "uid": str(uuid.uuid4())}},
    }
    return jwt.encode({"alg": "ES256"}, claims, KEY)


async def test_a_service_account_works(sandboxed: OperatorsOfTheSandbox, connect: Connect) -> None:
    sandboxed.kubernetes_role("rotator", "okta")
    auth = KubernetesAuth("rotator", given(account_token()), mount=f"{sandboxed.mount}-kubernetes")

    assert await works(connect(sandboxed, auth))


@pytest.mark.parametrize(
    ("role", "token"),
    [
        pytest.param("rotator", account_token(name="default"), id="another account"),
        pytest.param("rotator", account_token(namespace="default"), id="another namespace of the cluster"),
        pytest.param("nobody", account_token(), id="another role"),
        pytest.param("rotator", "no.jwt.at-all", id="no token of a cluster"),
    ],
)
async def test_a_service_account_that_does_not_fit_is_refused(
    sandboxed: OperatorsOfTheSandbox, connect: Connect, role: str, token: str
) -> None:
    sandboxed.kubernetes_role("rotator", "okta")
    auth = KubernetesAuth(role, given(token), mount=f"{sandboxed.mount}-kubernetes")

    error = await refusal(connect(sandboxed, auth).read(path()))
    assert "log in by Kubernetes" in str(error)
    assert "namespace and audience" in error.hint
    assert token not in str(error)


# --- lockout ------------------------------------------------------------------------------------------------------


async def test_we_do_not_lock_our_role_out(sandboxed: OperatorsOfTheSandbox, connect: Connect) -> None:
    role_id, secret_id = sandboxed.approle()
    ours = connect(sandboxed, by_approle(sandboxed, role_id, "6f1c7a9e-wrong"))
    for _ in range(9):
        await refusal(ours.read(path()))

    assert await works(connect(sandboxed, by_approle(sandboxed, role_id, secret_id)))


async def test_a_role_that_somebody_locked_out_is_told(sandboxed: OperatorsOfTheSandbox, connect: Connect) -> None:
    role_id, secret_id = sandboxed.approle()
    for guess in range(5):
        await refusal(connect(sandboxed, by_approle(sandboxed, role_id, f"guess-{guess}")).read(path()))

    error = await refusal(connect(sandboxed, by_approle(sandboxed, role_id, secret_id)).read(path()))
    assert "15 minutes" in error.hint


# --- namespaces -----------------------------------------------------------------------------------------------------


async def test_a_namespace_has_secrets_of_its_own(operators: Operators, connect: Connect) -> None:
    name = f"{operators.mount}-team"
    token = operators.namespace(name)
    kv, here = connect(operators, TokenAuth(given(token)), name), path()

    assert await kv.write(here, FIELDS, cas=0) == 1
    assert await kv.read(here) is not None
    assert await connect(operators, TokenAuth(given(operators.token()))).read(here) is None


async def test_an_unknown_namespace_is_told(operators: Operators, connect: Connect) -> None:
    kv = connect(operators, TokenAuth(given(operators.token())), "nowhere")

    assert isinstance(await refusal(kv.read(path())), RefusedError)
