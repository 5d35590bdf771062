"""A scene as the observer is shown it: plain facts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.model import SecretStatus
from tests.faults.observer import Slot, State, Version
from tests.faults.scenes import APP, CONSUMER, STAGING

if TYPE_CHECKING:
    from rotator.core.model import KvPath
    from rotator.core.secret_value import SecretFields
    from tests.fakes.okta import HeldSecret
    from tests.faults.scenes import Scene


def state_of(scene: Scene) -> State:
    key = scene.kv.keys.get(CONSUMER)
    return State(
        now=scene.clock.now(),
        slots=tuple(_slot_of(scene, held) for held in scene.okta.held(APP)),
        consumer=_readable(scene, CONSUMER),
        latest=key.current if key else 0,
        elsewhere=tuple(_current(scene, other.path) for other in scene.also),
        staging=_readable(scene, STAGING),
    )


def _slot_of(scene: Scene, held: HeldSecret) -> Slot:
    value = held.value.reveal()
    return Slot(held.id, value, held.status is SecretStatus.ACTIVE, scene.okta.accepts(value, APP), held.changed)


def _readable(scene: Scene, path: KvPath) -> tuple[Version, ...]:
    key = scene.kv.keys.get(path)
    if key is None:
        return ()
    now = scene.clock.now()
    return tuple(
        Version(number, held.created, _plain(held.fields))
        for number, held in sorted(key.versions.items())
        if not held.gone(now)
    )


def _plain(fields: SecretFields) -> dict[str, str]:
    return {name: value for name, value in fields.reveal().items() if isinstance(value, str)}


def _current(scene: Scene, path: KvPath) -> str | None:
    key, versions = scene.kv.keys.get(path), _readable(scene, path)
    if key is None or not versions or versions[-1].number != key.current:
        return None
    return versions[-1].fields.get("client_secret") or None
