"""What the emulated org is like: its plan, its delays, and every fact that nobody could verify on a real one.

Each switch of the second half answers an open question of the contract. Clients have to work whichever way it is
set; the defaults are the likelier way, and where both are likely the less kind one.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- the annotations are read at run time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, get_args, get_origin, get_type_hints

PlanName = Literal["integrator", "one_app", "enterprise", "workforce"]


@dataclass(slots=True, kw_only=True)
class OktaSettings:
    """How this org behaves. May be changed while it runs."""

    # The org.
    plan: PlanName = "workforce"
    limits: Mapping[str, int] = field(default_factory=dict)  # calls a minute by bucket, where not the plan's
    principal_share: float = 0.5  # of a bucket, for one API token or app
    window: timedelta = timedelta(seconds=60)
    api_access_management: bool = True  # the licence for custom authorization servers
    api_token_idle_life: timedelta | None = timedelta(days=30)
    seed: int | None = None  # of ids and generated secrets
    client_clock: Literal["sandbox", "real"] = "sandbox"  # by which clock assertions and proofs are judged

    # How late things show. In seconds, as all delays here.
    create_delay: float = 0.0  # a new or reactivated secret, at the token endpoints
    deactivate_delay: float = 0.0  # likewise a deactivated one, still accepted meanwhile
    list_lag: float = 0.0  # a new secret, in list and get
    log_delay: float = 0.0  # an event, in the System Log

    # Management API.
    same_state: Literal["ok", "refused"] = "ok"  # activate what is active, deactivate what is not
    unique_secrets: Literal["none", "app", "org"] = "none"
    list_order: Literal["oldest_first", "newest_first", "by_id"] = "oldest_first"
    hash_formula: Literal["sha256_128", "unknown"] = "sha256_128"
    plaintext: Literal["shown", "masked", "absent"] = "shown"
    without_view_permission: Literal["masked", "absent"] = "masked"
    management_wording: Literal["new", "old"] = "new"

    # Token endpoints.
    deactivated_app: Literal["unknown_client", "generic", "accepted"] = "unknown_client"
    www_authenticate: bool = False
    basic_percent_decoding: bool = False
    strict_auth_method: bool = True  # a client made for `basic` is refused with `post`, and so on
    grant_check_first: bool = False  # before the client's credentials
    scope_check_first: bool = False  # likewise
    dpop_check_first: bool = False  # likewise
    multiple_credentials_status: Literal[400, 401] = 401
    org_server_client_credentials: Literal["service_apps", "unsupported"] = "service_apps"
    introspect_refuses_service_apps: bool = False
    oauth_wording: Literal["catalogue", "spec"] = "catalogue"

    # System Log.
    log_hash: Literal["same", "different", "absent"] = "same"
    log_refused: Literal["absent", "hash"] = "absent"  # of a secret that was refused
    log_detail_keys: Literal["camel", "lower"] = "camel"  # of a target's details
    log_actor_id: Literal["app_id", "client_id"] = "app_id"  # of a token request

    def switch(self, name: str, value: object) -> None:
        """Set a switch or a delay by its name; ValueError for anything else, and for a value that it cannot have."""
        hint = get_type_hints(type(self)).get(name)
        if get_origin(hint) is Literal:
            known = value in get_args(hint)
        elif hint is float:
            known = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
        else:
            known = hint is bool and isinstance(value, bool)
        if not known:
            raise ValueError(f"{name!r} cannot be set to {value!r}")
        setattr(self, name, value)
