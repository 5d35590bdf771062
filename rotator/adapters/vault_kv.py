"""The KvStore port over hvac (contracts: Vault 1, 5).

* Every write carries CAS; an identical one may be repeated after an unknown outcome, here it never is.
* A mount is looked at once, before anything else is asked of it: a KV v1 engine would take our write for a plain key.
* "Nothing there" is only what Vault itself says in the way it says it; a proxy's 404 is no answer.
* A standby may lag behind what we have just written: such a read is repeated for a moment (contracts: Vault 1.7).
* Whatever does not look like an answer of Vault's is an error, never a value.
"""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rotator.adapters.vault_access import VaultOwnAccess
from rotator.adapters.vault_answers import Question, duration_of, said_by, time_of, version_gone
from rotator.adapters.vault_connection import strange_segment
from rotator.adapters.vault_login import VaultLogin
from rotator.adapters.vault_wire import VaultWire, understood
from rotator.core.model import KvMetadata, KvPath, KvVersion, KvVersionInfo
from rotator.core.secret_value import SecretFields
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime

    from rotator.adapters.vault_connection import VaultConnection
    from rotator.adapters.vault_wire import Answer
    from rotator.ports import Clock

    Work = Callable[[Any], Any]  # takes an hvac client, which is untyped

T = TypeVar("T")

ROUNDED = timedelta(seconds=1)  # the `Date` of an answer is cut to whole seconds
KV1_HINT = "Enable version 2 (`vault kv enable-versioning`): version 1 keeps no versions and has no compare-and-set."
EXPIRY_ADVICE = "unset `delete_version_after` on the mount and the key: consumers would lose the secret"


@dataclass(frozen=True, slots=True)
class _Seen(Generic[T]):
    """What a read showed, and the version that it was about: 0 for nothing."""

    number: int
    what: T | None


class VaultKv:
    """The KV v2 engines of one Vault."""

    def __init__(
        self,
        connection: VaultConnection,
        clock: Clock,
        *,
        warn: Callable[[str], None] = lambda _: None,
        standby_lag: timedelta = timedelta(seconds=10),
        first_pause: timedelta = timedelta(milliseconds=150),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take how to reach it; nothing is sent yet.

        `warn` is told, in one line each, what the answer to a write says besides: above all that the version will
        delete itself. `standby_lag` is how long a read may lag behind a write of ours.
        """
        self._wire = VaultWire(connection, clock, first_pause=first_pause)
        self._login = VaultLogin(self._wire, monotonic=monotonic)
        self._warn = warn
        self._lag = standby_lag.total_seconds()
        self._pause = first_pause.total_seconds()
        self._mounts: set[str] = set()
        self._written: dict[KvPath, int] = {}

    async def read_metadata(self, path: KvPath) -> KvMetadata | None:
        """Return what is known of the key without its values; None if there is no such key."""
        question = self._question("read the metadata of", path, needs=("read", "metadata"))

        def work(client: Any) -> Any:
            return client.secrets.kv.v2.read_secret_metadata(path.path, mount_point=path.mount)

        async def look() -> _Seen[KvMetadata]:
            answer = await self._ask(question, path, work, or_absent=True)
            return _Seen(0, None) if answer.status == 404 else understood(question, answer, _metadata)

        return await self._caught_up(look, path, self._written.get(path, 0))

    async def read(self, path: KvPath, version: int | None = None) -> KvVersion | None:
        """Return a version, the latest by default; None if it is absent, deleted or destroyed."""
        what = "read" if version is None else f"read version {version} of"
        question = self._question(what, path, needs=("read", "data"))

        def work(client: Any) -> Any:
            return client.secrets.kv.v2.read_secret_version(
                path.path, version=version, mount_point=path.mount, raise_on_deleted_version=True
            )

        async def look() -> _Seen[KvVersion]:
            answer = await self._ask(question, path, work, or_absent=True)
            if answer.status == 404:
                return _Seen(version_gone(answer.body), None)
            return understood(question, answer, _version)

        written = self._written.get(path, 0)
        return await self._caught_up(look, path, written if version in {None, written} else 0)

    async def write(self, path: KvPath, fields: SecretFields, *, cas: int) -> int:
        """Write a new version if the counter still is `cas`; returns its number."""
        question = self._question("write", path, needs=("create` and `update", "data"), writes=True)
        clear = fields.reveal()

        def work(client: Any) -> Any:
            return client.secrets.kv.v2.create_or_update_secret(
                path.path, secret=clear, cas=cas, mount_point=path.mount
            )

        answer = await self._ask(question, path, work)
        written = understood(question, answer, _written)
        self._written[path] = written.number
        if written.what:
            self._warn(question.says(f"version {written.number} deletes itself at {written.what}: {EXPIRY_ADVICE}"))
        if said := said_by(answer.body):
            self._warn(question.says(said))
        return written.number

    async def destroy(self, path: KvPath, versions: Sequence[int]) -> None:
        """Destroy versions by number. Idempotent; a key that is not there has none."""
        numbers = sorted(set(versions))
        if not numbers:
            return
        question = self._question("destroy versions of", path, needs=("update", "destroy"), writes=True)

        def work(client: Any) -> Any:
            return client.secrets.kv.v2.destroy_secret_versions(path.path, versions=numbers, mount_point=path.mount)

        await self._ask(question, path, work, or_absent=True)

    @property
    def connection(self) -> VaultConnection:
        """How it is reached."""
        return self._wire.connection

    @property
    def access(self) -> VaultOwnAccess:
        """The same login, asked about itself and its Vault."""
        return VaultOwnAccess(self._wire, self._login, self._check_mount)

    async def renew_if_due(self) -> None:
        """Log in, renew or log in anew, whichever is due. Calls do so by themselves; this is for idle times."""
        await self._login.current()

    @property
    def login_ends(self) -> datetime | None:
        """When our login ends unless it is renewed; None without one, or for one that lasts."""
        return self._login.ends

    async def aclose(self) -> None:
        """Revoke the token that a login of ours made, whatever comes of it, and close the connections."""
        await self._login.close()
        self._wire.close()

    # --- asking -------------------------------------------------------------------------------------------

    def _question(self, what: str, path: KvPath, *, needs: tuple[str, str], writes: bool = False) -> Question:
        capability, endpoint = needs
        permission = f"`{capability}` on `{path.mount}/{endpoint}/{path.path}`"
        question = Question(self._wire.connection.host, f"{what} {path}", needs=permission, writes=writes)
        if (strange := strange_segment(f"{path.mount}/{path.path}")) is not None:
            text = f"{strange!r} in the path may hold letters, digits, `.`, `_` and `-` only"
            raise RefusedError(question.says(text), code="path", hint="Choose another path.")
        return question

    async def _ask(self, question: Question, path: KvPath, work: Work, *, or_absent: bool = False) -> Answer:
        await self._check_mount(path)
        return await self._login.ask(question, work, or_absent=or_absent)

    async def _check_mount(self, path: KvPath) -> None:
        if path.mount not in self._mounts:
            await self._look_at_mount(path)

    async def _look_at_mount(self, path: KvPath) -> None:
        """Refuse what is no KV v2 engine, mounted right there (contracts: Vault 1.9)."""
        hint = f"Check the mount's name; if it is right, give the policy of our token access to `{path.mount}/`."
        question = Question(self._wire.connection.host, f"look at the mount of {path}", refused_hint=hint)

        def work(client: Any) -> Any:
            return client.adapter.get(f"/v1/sys/internal/ui/mounts/{path.mount}/{path.path}")

        answer = await self._login.ask(question, work)
        mount = understood(question, answer, _mount)
        if mount.what != "2":
            text = f"`{path.mount}/` is no KV engine of version 2"
            raise RefusedError(question.says(text), code="mount", hint=KV1_HINT)
        if mount.name != path.mount:
            text = f"the engine is mounted at `{mount.name}/`"
            hint = f"Write `mount: {mount.name}`, and the path from there."
            raise RefusedError(question.says(text), code="mount", hint=hint)
        self._mounts.add(path.mount)

    async def _caught_up(self, look: Callable[[], Awaitable[_Seen[T]]], path: KvPath, written: int) -> T | None:
        """Look until a standby shows at least version `written`, or so long that a person must have removed it."""
        clock = asyncio.get_running_loop().time
        until, pause = clock() + self._lag, self._pause
        seen = await look()
        while seen.number < written and clock() < until:
            await asyncio.sleep(pause * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter
            pause *= 2
            seen = await look()
        if seen.number < written:
            self._written.pop(path, None)
        return seen.what


# --- what the answers hold; KeyError, TypeError, ValueError where they do not -----------------------------------


@dataclass(frozen=True, slots=True)
class _Mount:
    name: str
    what: str | None


def _mount(answer: Answer) -> _Mount:
    data = answer.body["data"]
    version = (data.get("options") or {}).get("version") if data["type"] == "kv" else None
    return _Mount(data["path"].strip("/"), version)


def _number(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError("no version number")
    return value


def _version(answer: Answer) -> _Seen[KvVersion]:
    data = answer.body["data"]
    metadata, fields = data["metadata"], data["data"]
    if not isinstance(fields, dict):
        raise TypeError("no fields")
    number = _number(metadata["version"])
    return _Seen(number, KvVersion(number, time_of(metadata["created_time"]), SecretFields(fields)))


def _written(answer: Answer) -> _Seen[str]:
    data = answer.body["data"]
    return _Seen(_number(data["version"]), data.get("deletion_time") or None)


def _metadata(answer: Answer) -> _Seen[KvMetadata]:
    data = answer.body["data"]
    versions = {int(number): _version_info(int(number), each, answer.at) for number, each in data["versions"].items()}
    current = _number(data["current_version"])
    metadata = KvMetadata(
        current=current,
        versions=dict(sorted(versions.items())),
        max_versions=_number(data["max_versions"]),
        cas_required=bool(data["cas_required"]),
        delete_version_after=duration_of(data["delete_version_after"]),
    )
    return _Seen(current, metadata)


def _version_info(number: int, data: Mapping[str, Any], now: datetime) -> KvVersionInfo:
    destroyed = data["destroyed"] is True
    ends = time_of(data["deletion_time"]) if data["deletion_time"] != "" else None
    ended = ends is not None and ends <= now + ROUNDED
    created = time_of(data["created_time"])
    return KvVersionInfo(number, created, deleted=destroyed or ended, destroyed=destroyed, ends=ends)
