"""Play a fleet's scenes in a sandbox: every event at its own time, and the clock back where it was in the end.

* Events happen in the order of time over all scenes, through what people at the consoles do: Okta's rules hold.
* What a rotator wrote lies as it leaves it behind: the consumer's record, and a closed staging record.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from .okta_state import secret_hash
from .scenes import SCOPE, SERVER, Added, AppDeactivated, Deactivated, Deleted, Put, PutAnothers, Rotated
from .vault_tokens import random_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from .okta_state import ClientSecret, OktaApp
    from .scenes import Event, Scene
    from .world import Sandbox

MOUNT = "secret"
STAGING = "rotator/staging"
HOST = "127.0.0.1"  # names the org in staging paths


@dataclass(slots=True)
class Tenant:
    """One app of the fleet as it is in the sandbox. `secrets` are all it ever had, by the names of its scene."""

    scene: Scene
    app: OktaApp
    secrets: dict[str, ClientSecret] = field(default_factory=dict)


def furnish(box: Sandbox, fleet: Iterable[Scene]) -> dict[str, Tenant]:
    """Play these scenes and return the apps by name."""
    box.okta.add_authorization_server(SERVER, scopes=[SCOPE])
    tenants: dict[str, Tenant] = {}
    happened = [(event, scene) for scene in fleet for event in scene.history]
    back = timedelta()
    with box.lock:
        for event, scene in sorted(happened, key=lambda each: each[0].ago, reverse=True):
            box.clock.advance(back - event.ago)
            back = event.ago
            _play(box, event, scene=scene, tenants=tenants)
        box.clock.advance(back)
    return {scene.name: tenants[scene.name] for scene in fleet}


def _play(box: Sandbox, event: Event, *, scene: Scene, tenants: dict[str, Tenant]) -> None:
    if scene.name not in tenants:
        tenants[scene.name] = Tenant(scene, box.okta.add_app(scene.name, secrets=[], **scene.traits))
    tenant = tenants[scene.name]
    match event:
        case Added(secret=name):
            tenant.secrets[name] = box.okta.add_secret_by_admin(tenant.app)
        case Put(secret=name):
            box.vault.put(MOUNT, scene.path, _credentials(tenant.app, tenant.secrets[name]))
        case PutAnothers():
            other = box.okta.add_app(f"not {scene.name}")
            box.vault.put(MOUNT, scene.path, _credentials(other, other.secrets[0]))
        case Rotated(secret=name, replaced=replaced):
            tenant.secrets[name] = box.okta.add_secret_by_admin(tenant.app)
            _record_rotation(box, tenant, name, replaced=replaced)
        case Deactivated(secret=name):
            box.okta.revoke(tenant.app, tenant.secrets[name].id)
        case Deleted(secret=name):
            box.okta.delete_secret_by_admin(tenant.app, tenant.secrets[name].id)
        case AppDeactivated():
            box.okta.deactivate_app_by_admin(tenant.app)
        case _:
            raise TypeError(f"{event!r} cannot be played")


def _credentials(app: OktaApp, secret: ClientSecret) -> dict[str, Any]:
    return {"client_id": app.client_id, "client_secret": secret.value}


def _record_rotation(box: Sandbox, tenant: Tenant, name: str, *, replaced: str) -> None:
    path, now = tenant.scene.path, box.clock.now().isoformat()
    rotation, made = random_text(20), secret_hash(tenant.secrets[name].value)
    record = {
        **(box.vault.read(MOUNT, path) or {}),
        **_credentials(tenant.app, tenant.secrets[name]),
        "client_secret_id": tenant.secrets[name].id,
        "rotation_id": rotation,
        "rotated_at": now,
        "retiring_secret_id": tenant.secrets[replaced].id,
        "retiring_mode": "overlap",
    }
    number = box.vault.put(MOUNT, path, record)
    closed = {"state": "empty", "base_version": str(number), "made": json.dumps([{"hash": made, "at": now}])}
    box.vault.put(MOUNT, f"{STAGING}/{HOST}/{tenant.app.id}", closed)
