"""The configuration: read once, checked whole, handed on as frozen values.

* Every problem is reported at once, as `file:line: key: what is wrong; what to do`.
* A value is never repeated in a message: it might be a secret, pasted into the wrong place. The line leads to it.
* A key that this release does not act on is refused: a setting that is silently ignored is worse than none.
* Nobody else reads the environment.
"""

from __future__ import annotations

from rotator.settings.load import control_socket, exists, fileless, find, load
from rotator.settings.model import (
    AppRoleAuth,
    Channel,
    CommandHook,
    Control,
    Heartbeat,
    JwtAuth,
    KubernetesAuth,
    Listen,
    Notify,
    Org,
    PrivateKeyJwtAuth,
    Setting,
    Settings,
    SswsAuth,
    State,
    TokenAuth,
    Vault,
    WebHook,
    find_targets,
    nearest,
    nothing,
    staging_path,
)
from rotator.settings.secret_source import SecretSource

__all__ = [
    "AppRoleAuth",
    "Channel",
    "CommandHook",
    "Control",
    "Heartbeat",
    "JwtAuth",
    "KubernetesAuth",
    "Listen",
    "Notify",
    "Org",
    "PrivateKeyJwtAuth",
    "SecretSource",
    "Setting",
    "Settings",
    "SswsAuth",
    "State",
    "TokenAuth",
    "Vault",
    "WebHook",
    "control_socket",
    "exists",
    "fileless",
    "find",
    "find_targets",
    "load",
    "nearest",
    "nothing",
    "staging_path",
]
