"""How the daemon, its targets and its errors are told over the control socket."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from rotator import __version__
from rotator.core.sharing import paths_of
from rotator.errors import RefusedError

if TYPE_CHECKING:
    from rotator.app.rollback import RolledBack
    from rotator.core.model import Target
    from rotator.daemon.vitals import TargetVitals, Vitals
    from rotator.errors import RotatorError


def names_of(target: Target) -> dict[str, Any]:
    """Name a target, as the command line does."""
    names = {"target": target.name, "org": target.org, "app_id": target.app_id, "path": str(target.consumer)}
    return {**names, "paths": [str(path) for path in paths_of(target)]}


def told_of_error(error: RotatorError) -> dict[str, Any]:
    code = error.code if isinstance(error, RefusedError) else ""
    told = {"kind": type(error).__name__, "code": code, "message": str(error), "request_id": error.request_id}
    return {"exit_code": error.exit_code, "message": str(error), "hint": error.hint, "error": told}


def told_of_daemon(vitals: Vitals) -> dict[str, Any]:
    """Tell how the daemon itself is, and its orgs and Vaults."""
    return {
        "program": __version__,
        "pid": os.getpid(),
        "started_at": vitals.started_at.isoformat(),
        "last_tick": vitals.last_tick.isoformat() if vitals.last_tick else None,
        "stopping": vitals.stopping,
        "sides": [
            {
                "kind": side.kind,
                "alias": side.alias,
                "condition": reach.condition.value,
                "since": reach.since.isoformat(),
                "detail": reach.detail,
            }
            for side, reach in vitals.reach.items()
        ],
    }


def standing_of(one: TargetVitals) -> dict[str, Any]:
    """Tell how a target stands, as far as the daemon knows without looking."""
    last = one.last
    made = last.secret_created if last else None
    return {
        **names_of(one.target),
        "exit_code": 0,
        "state": one.state.value,
        "under_way": one.under_way,
        "failures": one.failures,
        "policy": {"name": one.target.policy.name, "mode": one.target.policy.mode.value},
        "secret": {"id": last.secret_id, "created": made.isoformat()} if last and made else None,
        "looked_at": last.at.isoformat() if last else None,
        "next_look": one.next_look.isoformat(),
        "next": {"waiting": last.waiting, "at": last.until.isoformat() if last.until else None} if last else None,
        "detail": last.detail if last else "",
        "hint": last.hint if last else "",
        "only_observed": one.target.only_observed,
    }


def told_of_rollback(done: RolledBack) -> dict[str, Any]:
    """Tell what consumers read again."""
    proof = {"level": done.proof.level.value, "detail": done.proof.detail, "at": done.proof.at.isoformat()}
    return {
        "secret_id": done.secret,
        "instead_of": done.instead_of if done.changed else None,
        "vault_version": done.version,
        "proof": proof,
        "changed": done.changed,
    }
