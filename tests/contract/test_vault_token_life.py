"""How a login at Vault lives and ends: renewed, replaced, refused, given back.

The sandbox keeps the tokens; what a login answers is scripted, and the adapter's own clock is moved by hand.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from rotator.adapters.vault_connection import AppRoleAuth, Auth, JwtAuth, KubernetesAuth, TokenAuth, VaultConnection
from rotator.adapters.vault_kv import VaultKv
from rotator.core.model import KvPath
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import ConfigError, RateLimitedError, RefusedError, RotatorError, SealedError, UnavailableError
from rotator.redaction import redact
from rotator.sandbox.clock import SandboxClock
from rotator.sandbox.journal import Wanted
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

PATH = KvPath("secret", "billing/okta")
FIELDS = SecretFields({"client_secret": "a value"})
POLICY = {"secret/*": ("create", "read", "update")}
CANARIES = ("cnry-role-id", "cnry-credential")

LOGIN = Wanted(method="POST", path="/v1/auth/*/login")
LOOKUP = Wanted(path="/v1/auth/token/lookup-self")
RENEW = Wanted(path="/v1/auth/token/renew-self")
REVOKE = Wanted(path="/v1/auth/token/revoke-self")
DATA = Wanted(path="/v1/secret/*")
HOUR = timedelta(hours=1)

BY_APPROLE = AppRoleAuth(lambda: SecretValue("cnry-role-id"), lambda: SecretValue("cnry-credential"))
BY_KUBERNETES = KubernetesAuth("rotator", lambda: SecretValue("cnry-credential"))
BY_JWT = JwtAuth("rotator", lambda: SecretValue("cnry-credential"))
METHODS = [pytest.param(auth, id=auth.method) for auth in (BY_APPROLE, BY_KUBERNETES, BY_JWT)]


@dataclass
class Life:
    """The sandbox, its clock and the adapter's in step, and what a login yields."""

    box: Sandbox
    made: list[VaultKv] = field(default_factory=list)
    seconds: float = 1000.0

    def connect(self, auth: Auth = BY_APPROLE) -> VaultKv:
        connection = VaultConnection(self.box.vault_url, auth, answer_within=timedelta(seconds=2))
        kv = VaultKv(connection, self.box.clock, monotonic=lambda: self.seconds, first_pause=timedelta(milliseconds=5))
        self.made.append(kv)
        return kv

    def wait(self, by: timedelta) -> None:
        self.box.clock.advance(by)
        self.seconds += by.total_seconds()

    def grant(self, ttl: timedelta = HOUR, *, policy: str = "rotator", **settings: Any) -> str:
        """Let the next login yield a token, and return it."""
        token = self.box.vault.create_token([policy], ttl=ttl, **settings)
        renewable = settings.get("renewable", True)
        auth = {"client_token": token, "lease_duration": int(ttl.total_seconds()), "renewable": renewable}
        self.answer_login({"auth": auth})
        return token

    def answer_login(self, body: dict[str, Any], status: int = 200) -> None:
        self.box.faults.answer(status, LOGIN, body=body)

    def count(self, wanted: Wanted) -> int:
        return self.box.journal.count(wanted)


@pytest.fixture
async def life() -> AsyncIterator[Life]:
    with Sandbox(clock=SandboxClock(speed=0)) as box:
        box.vault.add_policy("rotator", POLICY)
        box.vault.put(PATH.mount, PATH.path, FIELDS.reveal())
        life = Life(box)
        yield life
        for kv in life.made:
            await kv.aclose()


@pytest.fixture(autouse=True)
def _nothing_leaks_into_the_log(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG):
        yield
        logged = "\n".join(record.getMessage() for record in caplog.records)
    assert not [canary for canary in CANARIES if canary in logged]


async def failure(call: Awaitable[object], *secrets: str) -> RotatorError:
    """Return the error that the call ends with: one line, a hint, and none of the secrets in any of its causes."""
    with pytest.raises(RotatorError) as caught:
        await call
    error = caught.value
    assert str(error).isprintable()
    assert error.hint
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.hint
    assert not [secret for secret in (*CANARIES, *secrets) if secret in shown]
    return error


# --- a login of ours ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", METHODS)
async def test_the_first_call_logs_in_and_later_ones_do_not(life: Life, auth: Auth) -> None:
    kv = life.connect(auth)
    assert life.count(Wanted()) == 0

    life.grant()
    for _ in range(3):
        assert await kv.read(PATH) is not None

    assert life.count(LOGIN) == 1


async def test_the_token_of_a_login_is_cut_out_of_the_log(life: Life) -> None:
    life.answer_login({"auth": {"client_token": "a-token-like-a-word", "lease_duration": 60, "renewable": False}})
    await failure(life.connect().read(PATH), "a-token-like-a-word")

    assert redact("sent a-token-like-a-word") == "sent [redacted]"


async def test_calls_at_once_share_one_login(life: Life) -> None:
    kv = life.connect()
    life.grant()

    await asyncio.gather(*(kv.read(PATH) for _ in range(8)))

    assert life.count(LOGIN) == 1


async def test_credentials_are_read_anew_at_each_login(life: Life) -> None:
    read: list[str] = []

    def jwt() -> SecretValue:
        read.append("once more")
        return SecretValue("cnry-credential")

    kv = life.connect(JwtAuth("rotator", jwt))
    for _ in range(2):
        life.grant(renewable=False)
        await kv.read(PATH)
        life.wait(HOUR * 0.7)
    assert len(read) == 2


async def test_credentials_that_cannot_be_read_are_a_matter_of_configuration(life: Life) -> None:
    def missing() -> SecretValue:
        raise ConfigError(["file /run/jwt cannot be read: No such file or directory"])

    assert type(await failure(life.connect(JwtAuth("rotator", missing)).read(PATH))) is ConfigError


@pytest.mark.parametrize(
    ("elapsed", "renewals"),
    [
        pytest.param(HOUR * 0.6, 0, id="not before two thirds are over"),
        pytest.param(HOUR * 0.7, 1, id="when two thirds are over"),
        pytest.param(HOUR * 0.99, 1, id="shortly before the end"),
    ],
)
async def test_a_login_is_renewed(life: Life, elapsed: timedelta, renewals: int) -> None:
    kv = life.connect()
    life.grant()
    await kv.read(PATH)

    life.wait(elapsed)
    assert await kv.read(PATH) is not None

    assert life.count(RENEW) == renewals
    assert life.count(LOGIN) == 1


async def test_idle_times_need_no_read_to_stay_logged_in(life: Life) -> None:
    kv = life.connect()
    life.grant()
    for _ in range(10):
        await kv.renew_if_due()
        life.wait(HOUR * 0.7)

    assert life.count(LOGIN) == 1
    assert life.count(RENEW) == 9
    assert await kv.read(PATH) is not None


async def test_where_a_renewal_yields_less_than_half_we_log_in_anew(life: Life) -> None:
    kv = life.connect()
    first = life.grant(explicit_max_ttl=HOUR)
    await kv.read(PATH)

    life.wait(HOUR * 0.7)
    second = life.grant()
    await kv.read(PATH)
    life.box.vault.revoke_token(first)

    assert await kv.read(PATH) is not None
    assert (life.count(RENEW), life.count(LOGIN)) == (1, 2)
    assert first != second


async def test_where_a_renewal_is_refused_we_log_in_anew(life: Life) -> None:
    kv = life.connect()
    life.grant()
    await kv.read(PATH)

    life.wait(HOUR * 0.7)
    life.box.faults.answer(400, RENEW, body={"errors": ["lease is not renewable"]})
    life.grant()
    assert await kv.read(PATH) is not None

    assert life.count(LOGIN) == 2


async def test_a_login_that_cannot_be_renewed_is_replaced_in_time(life: Life) -> None:
    kv = life.connect()
    life.grant(renewable=False)
    await kv.read(PATH)

    life.wait(HOUR * 0.7)
    life.grant()
    await kv.read(PATH)

    assert (life.count(RENEW), life.count(LOGIN)) == (0, 2)


async def test_a_renewal_that_fails_is_tried_again_while_the_token_works(life: Life) -> None:
    kv = life.connect()
    life.grant()
    await kv.read(PATH)

    life.wait(HOUR * 0.7)
    life.box.faults.answer(500, RENEW, body={"errors": ["storage"]}, times=2)
    for _ in range(5):
        assert await kv.read(PATH) is not None
    assert life.count(RENEW) == 1

    life.wait(timedelta(seconds=31))
    assert await kv.read(PATH) is not None
    life.wait(timedelta(seconds=31))
    assert await kv.read(PATH) is not None
    assert life.count(RENEW) == 3
    assert life.count(LOGIN) == 1


async def test_a_login_that_fails_leaves_the_old_token_in_use_to_its_end(life: Life) -> None:
    kv = life.connect()
    life.grant(renewable=False)
    await kv.read(PATH)

    life.wait(HOUR * 0.7)
    life.box.faults.answer(503, LOGIN, body={"errors": ["Vault is sealed"]}, times=2)
    assert await kv.read(PATH) is not None

    life.wait(HOUR * 0.31)
    assert type(await failure(kv.read(PATH))) is SealedError


async def test_it_is_known_when_a_login_ends(life: Life) -> None:
    kv = life.connect()
    before = kv.login_ends
    life.grant(HOUR)
    await kv.read(PATH)
    end = life.box.clock.now() + HOUR
    life.wait(HOUR / 4)

    assert before is None
    assert kv.login_ends == end


async def test_a_token_without_end_is_never_renewed(life: Life) -> None:
    kv = life.connect()
    auth = {"client_token": life.box.vault.settings.root_token, "lease_duration": 0, "renewable": False}
    life.answer_login({"auth": auth})
    await kv.read(PATH)
    life.wait(HOUR * 10_000)
    await kv.read(PATH)

    assert (life.count(RENEW), life.count(LOGIN)) == (0, 1)
    assert kv.login_ends is None


# --- refused in the middle --------------------------------------------------------------------------------------


async def test_a_dead_token_is_replaced_and_the_call_made_once_more(life: Life) -> None:
    kv = life.connect()
    life.box.vault.revoke_token(life.grant())
    life.grant()

    assert await kv.write(PATH, FIELDS, cas=1) == 2
    assert life.count(LOGIN) == 2


async def test_a_token_that_died_in_use_is_replaced(life: Life) -> None:
    kv = life.connect()
    token = life.grant()
    await kv.read(PATH)
    life.box.vault.revoke_token(token)
    life.grant()

    assert await kv.write(PATH, FIELDS, cas=1) == 2


async def test_calls_at_once_replace_a_dead_token_once(life: Life) -> None:
    kv = life.connect()
    token = life.grant()
    await kv.read(PATH)
    life.box.vault.revoke_token(token)
    life.grant()

    assert None not in await asyncio.gather(*(kv.read(PATH) for _ in range(8)))
    assert life.count(LOGIN) == 2


async def test_a_token_that_lives_is_not_replaced(life: Life) -> None:
    kv = life.connect()
    life.box.vault.add_policy("reader", {"secret/*": ("read",)})
    life.grant(policy="reader")

    error = await failure(kv.write(PATH, FIELDS, cas=1))

    assert isinstance(error, RefusedError)
    assert "`create` and `update` on `secret/data/billing/okta`" in error.hint
    assert life.count(LOGIN) == 1


async def test_a_policy_without_lookup_self_does_not_make_us_log_in_at_each_refusal(life: Life) -> None:
    kv = life.connect()
    life.box.vault.add_policy("reader", {"secret/*": ("read",)})
    life.box.faults.answer(403, LOOKUP, body={"errors": ["1 error occurred:\n\t* permission denied\n\n"]}, times=None)
    for _ in range(9):
        life.grant(policy="reader")

    for _ in range(5):
        assert isinstance(await failure(kv.write(PATH, FIELDS, cas=1)), RefusedError)

    assert life.count(LOGIN) == 2


async def test_a_vault_that_cannot_say_whether_the_token_lives_is_unavailable(life: Life) -> None:
    kv = life.connect()
    token = life.grant()
    await kv.read(PATH)
    life.box.vault.revoke_token(token)
    life.box.faults.answer(500, LOOKUP, body={"errors": ["storage"]}, times=None)

    assert type(await failure(kv.write(PATH, FIELDS, cas=1))) is UnavailableError


# --- logins that fail -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("auth", METHODS)
async def test_a_refused_login_says_what_to_do(life: Life, auth: Auth) -> None:
    life.answer_login({"errors": ["invalid role or secret ID"]}, 400)

    error = await failure(life.connect(auth).read(PATH))

    assert isinstance(error, RefusedError)
    assert f"log in by {auth.method}" in str(error)
    assert "role" in error.hint


ECHO = {"errors": ["no such cnry-credential"]}


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        pytest.param(400, ECHO, RefusedError, id="refused, with our credentials in the text"),
        pytest.param(403, ECHO, RefusedError, id="locked out"),
        pytest.param(404, {"errors": ['no handler for route "auth/x".']}, RefusedError, id="no such method"),
        pytest.param(429, ECHO, RateLimitedError, id="a quota"),
        pytest.param(500, ECHO, UnavailableError, id="500"),
        pytest.param(503, {"errors": ["Vault is sealed"]}, SealedError, id="sealed"),
        pytest.param(200, {}, UnavailableError, id="an answer without a login"),
        pytest.param(200, {"auth": None}, UnavailableError, id="an empty login"),
        pytest.param(200, {"auth": {"client_token": ""}}, UnavailableError, id="an empty token"),
        pytest.param(200, {"auth": {"client_token": "a\nb"}}, UnavailableError, id="a token of two lines"),
        pytest.param(
            200, {"auth": {"client_token": "", "mfa_requirement": {"x": 1}}}, RefusedError, id="a second factor"
        ),
    ],
)
@pytest.mark.parametrize("auth", METHODS)
async def test_a_write_whose_login_failed_was_not_sent(
    life: Life, auth: Auth, status: int, body: dict[str, Any], kind: type
) -> None:
    life.answer_login(body, status)

    assert type(await failure(life.connect(auth).write(PATH, FIELDS, cas=1))) is kind
    assert life.count(DATA) == 0


async def test_a_login_whose_answer_is_lost_is_not_repeated_at_once(life: Life) -> None:
    life.box.faults.drop(LOGIN, when="before")

    assert type(await failure(life.connect().write(PATH, FIELDS, cas=1))) is UnavailableError
    assert life.count(LOGIN) == 1


async def test_after_three_refused_logins_vault_is_left_alone_for_a_quarter_of_an_hour(life: Life) -> None:
    kv = life.connect()
    for _ in range(9):
        life.answer_login({"errors": ["invalid role or secret ID"]}, 400)

    for _ in range(5):
        assert isinstance(await failure(kv.read(PATH)), RefusedError)
    assert life.count(LOGIN) == 3

    life.wait(timedelta(minutes=16))
    await failure(kv.read(PATH))
    assert life.count(LOGIN) == 4


async def test_new_credentials_are_tried_at_once(life: Life) -> None:
    secret_ids = iter(["cnry-credential"] * 4 + ["cnry-credential-2"])
    kv = life.connect(AppRoleAuth(BY_APPROLE.role_id, lambda: SecretValue(next(secret_ids))))
    for _ in range(3):
        life.answer_login({"errors": ["invalid role or secret ID"]}, 400)
    for _ in range(4):
        await failure(kv.read(PATH))

    life.grant()
    assert await kv.read(PATH) is not None


# --- a token that was given ---------------------------------------------------------------------------------------


def given(life: Life, token: str) -> VaultKv:
    return life.connect(TokenAuth(lambda: SecretValue(token)))


async def test_a_given_token_is_used_and_not_revoked(life: Life) -> None:
    token = life.box.vault.create_token(["rotator"])
    kv = given(life, token)
    await kv.read(PATH)
    await kv.aclose()

    assert life.count(LOGIN) == 0
    assert life.count(REVOKE) == 0


async def test_a_given_token_is_renewed_where_it_can_be(life: Life) -> None:
    kv = given(life, life.box.vault.create_token(["rotator"], ttl=HOUR))
    for _ in range(5):
        assert await kv.read(PATH) is not None
        life.wait(HOUR * 0.7)

    assert life.count(RENEW) == 4


async def test_a_given_token_that_cannot_be_renewed_is_used_to_its_end(life: Life) -> None:
    kv = given(life, life.box.vault.create_token(["rotator"], ttl=HOUR, renewable=False))
    await kv.read(PATH)
    life.wait(HOUR * 0.9)
    assert await kv.read(PATH) is not None

    life.wait(HOUR * 0.2)
    error = await failure(kv.read(PATH))

    assert isinstance(error, RefusedError)
    ended = life.box.clock.now() - HOUR * 0.1
    assert f"the token ended at {ended:%Y-%m-%d %H:%M}" in str(error)
    assert "VAULT_TOKEN" in error.hint


@pytest.mark.parametrize("token", ["never-was", "s.AAAAAAAAAAAAAAAAAAAAAAAA"])
async def test_a_given_token_that_vault_does_not_know_is_refused(life: Life, token: str) -> None:
    error = await failure(given(life, token).read(PATH), token)

    assert isinstance(error, RefusedError)
    assert "not accepted" in str(error)


async def test_a_given_token_that_was_revoked_is_refused(life: Life) -> None:
    token = life.box.vault.create_token(["rotator"])
    kv = given(life, token)
    await kv.read(PATH)
    life.box.vault.revoke_token(token)

    assert "not accepted" in str(await failure(kv.read(PATH), token))


async def test_a_given_token_that_somebody_replaced_is_read_again(life: Life) -> None:
    tokens = [life.box.vault.create_token(["rotator"])]
    kv = life.connect(TokenAuth(lambda: SecretValue(tokens[-1])))
    await kv.read(PATH)
    life.box.vault.revoke_token(tokens[0])
    tokens.append(life.box.vault.create_token(["rotator"]))

    assert await kv.write(PATH, FIELDS, cas=1) == 2


async def test_a_given_token_that_may_not_look_at_itself_works(life: Life) -> None:
    life.box.faults.answer(403, LOOKUP, body={"errors": ["1 error occurred:\n\t* permission denied\n\n"]}, times=None)
    kv = given(life, life.box.vault.create_token(["rotator"]))

    assert await kv.write(PATH, FIELDS, cas=1) == 2


@pytest.mark.parametrize("token", ["two words", "two\nlines", "", "ünï", "nul\0"])
async def test_a_token_that_cannot_be_sent_is_a_matter_of_configuration(life: Life, token: str) -> None:
    error = await failure(given(life, token).read(PATH), token or "nothing")

    assert type(error) is ConfigError
    assert life.count(Wanted()) == 0


# --- the end --------------------------------------------------------------------------------------------------------


async def test_our_token_is_revoked_at_the_end(life: Life) -> None:
    kv = life.connect()
    token = life.grant()
    await kv.read(PATH)
    await kv.aclose()

    assert life.count(REVOKE) == 1
    other = given(life, token)
    assert isinstance(await failure(other.read(PATH), token), RefusedError)


@pytest.mark.parametrize("trouble", ["drop", "refuse", "seal", "stop"])
async def test_the_end_does_not_fail(life: Life, trouble: str) -> None:
    kv = life.connect()
    life.grant()
    await kv.read(PATH)
    troubles: dict[str, Callable[[], object]] = {
        "drop": lambda: life.box.faults.drop(REVOKE, when="before"),
        "refuse": lambda: life.box.faults.answer(403, REVOKE, body={"errors": ["permission denied"]}),
        "seal": life.box.vault.seal,
        "stop": life.box.stop,
    }
    troubles[trouble]()

    await kv.aclose()


async def test_what_never_logged_in_says_nothing_at_the_end(life: Life) -> None:
    await life.connect().aclose()

    assert life.count(Wanted()) == 0
