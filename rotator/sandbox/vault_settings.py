"""The knobs of the Vault emulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .vault_status import Node
    from .vault_texts import Flavour


@dataclass(slots=True)
class VaultSettings:
    """How this server behaves. All but the first two may be changed while it runs."""

    # Who it is.
    flavour: Flavour = "openbao"
    root_token: str = "root"  # noqa: S105 (of a sandbox)
    node: Node = "active"
    is_initialised: bool = True
    leader_url: str = ""  # of the active node; empty: no high availability
    redirects_to_leader: bool = False  # a standby that does not forward answers 307

    # How late it is.
    read_lag: timedelta = timedelta()  # reads come from a standby that is so far behind
    has_index: bool = False  # says by X-Vault-Index how far it is, and refuses by 412 what it has not got to yet
    stale_refusals: int = 0  # so many of the next calls are refused with 412

    # What it refuses.
    namespaces: bool = True  # off: a namespace header is 403, as on a Vault without the feature
    quota: int = 0  # calls in an interval; 0: no limit
    quota_interval: timedelta = timedelta(seconds=1)
    quota_headers: bool = False  # only operators that switch them on get Retry-After
    no_token: Literal[400, 403] = 403  # what old servers answer is unsure: 400 `missing client token`

    # What stands between.
    content_type: str = "application/json"  # a proxy may add a charset
