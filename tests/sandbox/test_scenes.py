"""The fleet's scenes, as they lie in the sandbox before anybody rotates, and an application that lives there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import requests

from rotator.core.model import FieldNames, KvVersion, StagingState
from rotator.core.records import read_consumer, read_staging
from rotator.core.secret_value import SecretFields
from rotator.sandbox.consumer import Consumer, Credentials
from rotator.sandbox.furnish import HOST, MOUNT, STAGING, furnish
from rotator.sandbox.scenes import FLEET, OVERLAPPING, RETIRED, SCOPE, Event, Expected, Put, PutAnothers, Rotated, Scene
from rotator.sandbox.world import Sandbox

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.furnish import Tenant

WIDEST = 40  # what the demo's table has room for
DAY = timedelta(days=1)


@pytest.fixture
def town() -> Iterator[tuple[Sandbox, dict[str, Tenant]]]:
    with Sandbox() as box:
        yield box, furnish(box, FLEET)


def days_since(then: datetime, box: Sandbox) -> int:
    return round((box.clock.now() - then) / DAY)


@pytest.mark.parametrize(
    ("name", "secrets"),
    [
        ("catalog-api", [("ACTIVE", 35)]),
        ("orders-api", [("ACTIVE", 104)]),
        ("customer-web", [("ACTIVE", 180)]),
        ("billing-api", [("INACTIVE", 60), ("ACTIVE", 2)]),
        ("search-indexer", [("ACTIVE", 93)]),
        ("login-gateway", [("ACTIVE", 98), ("ACTIVE", 8)]),
        ("audit-feed", [("INACTIVE", 101), ("ACTIVE", 11)]),
        ("legacy-portal", [("ACTIVE", 110), ("ACTIVE", 40)]),
    ],
)
def test_an_app_holds_the_secrets_of_its_history(
    name: str, secrets: list[tuple[str, int]], town: tuple[Sandbox, dict[str, Tenant]]
) -> None:
    box, tenants = town

    found = [(secret.status, days_since(secret.created, box)) for secret in tenants[name].app.secrets]

    assert found == secrets


@pytest.mark.parametrize("scene", FLEET, ids=lambda scene: scene.name)
def test_each_version_of_a_path_was_written_when_the_history_says(
    scene: Scene, town: tuple[Sandbox, dict[str, Tenant]]
) -> None:
    box, _ = town
    key = box.vault.key(MOUNT, scene.path)

    written = [days_since(version.created, box) for version in key.versions.values()] if key else []

    assert written == [event.days_ago for event in scene.history if isinstance(event, Put | PutAnothers | Rotated)]


@pytest.mark.parametrize("scene", FLEET, ids=lambda scene: scene.name)
def test_a_scene_can_be_played_alone(scene: Scene) -> None:
    with Sandbox() as box:
        assert list(furnish(box, [scene])) == [scene.name]


def test_the_clock_is_where_it_was() -> None:
    with Sandbox() as box:
        furnish(box, FLEET)

        assert abs(box.clock.now() - datetime.now(UTC)) < timedelta(seconds=5)


def test_the_log_knows_who_revoked(town: tuple[Sandbox, dict[str, Tenant]]) -> None:
    box, tenants = town
    app = tenants["billing-api"].app

    deactivated = [
        event
        for event in box.okta.log.by_publication
        if event.kind == "app.oauth2.credentials.lifecycle.deactivate" and event.targets[0].id == app.id
    ]

    assert [event.origin.actor.alternate_id for event in deactivated] == ["admin@sandbox.example"]
    assert [days_since(event.published, box) for event in deactivated] == [2]


@pytest.mark.parametrize("name", ["login-gateway", "audit-feed", "search-indexer"])
def test_what_a_rotator_left_is_understood_by_ours(name: str, town: tuple[Sandbox, dict[str, Tenant]]) -> None:
    box, tenants = town
    app, path = tenants[name].app, tenants[name].scene.path
    staging_path = f"{STAGING}/{HOST}/{app.id}"

    staging = read_staging(_version(box, staging_path, 1), ())
    old, new = (read_consumer(_version(box, path, number), FieldNames()) for number in (1, 2))

    second, first = tenants[name].secrets["second"], tenants[name].secrets["first"]
    assert staging.state is StagingState.EMPTY
    assert new.value
    assert (new.value.reveal(), new.secret_id, new.retiring_id) == (second.value, second.id, first.id)
    assert old.value
    assert old.value.reveal() == first.value
    assert [made.hash for made in staging.made] == [new.value.hash]
    assert staging.base_version == new.number == 2


def _version(box: Sandbox, path: str, number: int) -> KvVersion:
    fields = box.vault.read(MOUNT, path, version=number)
    key = box.vault.key(MOUNT, path)
    assert fields
    assert key
    return KvVersion(number, key.versions[number].created, SecretFields(fields))


def test_scenes_have_names_of_their_own_and_words_that_fit_the_table() -> None:
    names = [scene.name for scene in FLEET]

    assert len(set(names)) == len(names)
    assert {OVERLAPPING, RETIRED} <= set(names)
    assert [scene.says for scene in FLEET if len(scene.says) > WIDEST or not scene.says.isascii()] == []


def test_an_event_that_nobody_can_play_is_refused() -> None:
    scene = Scene("odd", "odd", (Event(1),), Expected("nothing due"))

    with Sandbox() as box, pytest.raises(TypeError, match="cannot be played"):
        furnish(box, [scene])


# --- an application -------------------------------------------------------------------------------------------


@pytest.fixture
def consumer(town: tuple[Sandbox, dict[str, Tenant]]) -> Iterator[Consumer]:
    box, tenants = town
    path = tenants[RETIRED].scene.path
    box.vault.add_policy("one-path", {f"{MOUNT}/data/{path}": ["read"]})
    token = box.vault.create_token(["one-path"])
    token_url = f"{box.okta_url}/oauth2/default/v1/token"
    with Consumer(vault_url=box.vault_url, vault_token=token, mount=MOUNT, path=path, token_url=token_url) as consumer:
        yield consumer


def test_an_application_gets_a_token_with_either_secret_of_an_overlap(
    consumer: Consumer, town: tuple[Sandbox, dict[str, Tenant]]
) -> None:
    _, tenants = town
    versions = [consumer.read(), consumer.read(1)]

    held = [tenants[RETIRED].secrets[name].value for name in ("second", "first")]
    assert [read and read.client_secret for read in versions] == held
    assert [consumer.ask(read, SCOPE).token for read in versions if read] == [True, True]


def test_an_application_is_told_why_it_gets_none(consumer: Consumer) -> None:
    read = consumer.read()
    assert read

    wrong = consumer.ask(Credentials(1, read.client_id, "not-the-secret-of-this-app"), SCOPE)
    beyond = consumer.ask(read, "no.such.scope")

    assert (wrong.status, wrong.error, wrong.token) == (401, "invalid_client", False)
    assert (beyond.status, beyond.error, beyond.token) == (400, "invalid_scope", False)


def test_an_application_finds_no_version_that_is_not_there(consumer: Consumer) -> None:
    assert consumer.read(7) is None


def test_an_application_may_read_its_own_path_alone(
    town: tuple[Sandbox, dict[str, Tenant]], consumer: Consumer
) -> None:
    box, tenants = town
    box.vault.add_policy("one-path", {f"{MOUNT}/data/{tenants[OVERLAPPING].scene.path}": ["read"]})

    with pytest.raises(requests.HTTPError, match="403"):
        consumer.read()


def test_credentials_do_not_show_the_secret(consumer: Consumer) -> None:
    read = consumer.read()

    assert read
    assert read.client_secret not in repr(read)
