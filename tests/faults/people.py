"""What people do at both consoles while a story is told."""

from __future__ import annotations

from collections.abc import Callable

from rotator.core.model import SecretId, SecretStatus
from rotator.core.secret_value import SecretValue
from tests.faults.ports import run
from tests.faults.scenes import APP, CONSUMER, FOREIGN, Scene
from tests.faults.world import state_of

# --- people ---------------------------------------------------------------------------------------------------

Act = Callable[[Scene], None]


def _current(scene: Scene) -> str | None:
    return state_of(scene).current


def _slot(scene: Scene, chosen: Callable[[str], bool], *, active: bool) -> SecretId | None:
    wanted = SecretStatus.ACTIVE if active else SecretStatus.INACTIVE
    found = [held.id for held in scene.okta.held(APP) if chosen(held.value.reveal()) and held.status is wanted]
    return found[0] if found else None


def admin_revokes_current(scene: Scene) -> None:
    if secret := _slot(scene, lambda value: value == _current(scene), active=True):
        run(scene.okta.deactivate_secret(APP, secret))


def admin_deletes_current(scene: Scene) -> None:
    admin_revokes_current(scene)
    if secret := _slot(scene, lambda value: value == _current(scene), active=False):
        run(scene.okta.delete_secret(APP, secret))


def admin_revokes_other(scene: Scene) -> None:
    if secret := _slot(scene, lambda value: value != _current(scene), active=True):
        run(scene.okta.deactivate_secret(APP, secret))


def admin_deletes_other(scene: Scene) -> None:
    admin_revokes_other(scene)
    if secret := _slot(scene, lambda value: value != _current(scene), active=False):
        run(scene.okta.delete_secret(APP, secret))


def admin_reactivates(scene: Scene) -> None:
    if secret := _slot(scene, lambda _value: True, active=False):
        run(scene.okta.activate_secret(APP, secret))


def admin_adds_secret(scene: Scene) -> None:
    run(scene.okta.create_secret(APP, SecretValue(FOREIGN + str(len(scene.okta.events)))))


def person_adds_field(scene: Scene) -> None:
    if _current(scene):
        scene.kv.by_hand.patch(CONSUMER, {"extra": "harmless"})


def person_rolls_back(scene: Scene) -> None:
    versions = state_of(scene).consumer
    if len(versions) > 1 and _current(scene):
        scene.kv.by_hand.rollback(CONSUMER, versions[-2].number)


def person_patches_value_back(scene: Scene) -> None:
    versions = state_of(scene).consumer
    if len(versions) > 1 and _current(scene):
        scene.kv.by_hand.patch(CONSUMER, {"client_secret": versions[-2].fields["client_secret"]})


def person_puts_unknown(scene: Scene) -> None:
    if _current(scene):
        scene.kv.by_hand.patch(CONSUMER, {"client_secret": "unknown-".ljust(64, "x")})


def person_deletes_version(scene: Scene) -> None:
    if _current(scene):
        scene.kv.by_hand.delete(CONSUMER)


ACTS: tuple[Act, ...] = (
    admin_revokes_current,
    admin_deletes_current,
    admin_revokes_other,
    admin_deletes_other,
    admin_reactivates,
    admin_adds_secret,
    person_adds_field,
    person_rolls_back,
    person_patches_value_back,
    person_puts_unknown,
    person_deletes_version,
)
