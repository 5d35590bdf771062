"""What people do at the console, and what scenes set up."""

from __future__ import annotations

import time
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

import pytest

from rotator.sandbox.okta_console import GivenSecret
from rotator.sandbox.okta_errors import OktaError

from .okta_client import basic, org
from .okta_keys import KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from .okta_client import Answer


def test_an_app_has_one_secret_of_its_own_age() -> None:
    okta, _ = org()

    app = okta.add_app(age=timedelta(days=100))

    (secret,) = app.secrets
    assert secret.created == app.created == okta.org.clock.now().replace(microsecond=0) - timedelta(days=100)


def test_secrets_are_given_by_value_age_and_status() -> None:
    okta, _ = org()

    app = okta.add_app(secrets=[GivenSecret("new", age=timedelta(days=1)), GivenSecret("old", age=timedelta(days=9))])
    other = okta.add_app(secrets=["on", GivenSecret("off", active=False)])

    assert [secret.value for secret in app.secrets] == ["old", "new"]
    assert [(secret.value, secret.status) for secret in other.secrets] == [("on", "ACTIVE"), ("off", "INACTIVE")]


def test_setting_up_leaves_no_trace_in_the_log() -> None:
    okta, _ = org()
    okta.add_app()
    okta.add_authorization_server()
    okta.add_service_app(KEY.public, scopes=["okta.apps.read"])

    assert okta.log.events() == []


def test_a_client_id_is_given_once() -> None:
    okta, _ = org()
    okta.add_app(client_id="billing-client")

    with pytest.raises(ValueError, match="billing-client"):
        okta.add_app(client_id="billing-client")


def test_nobody_revokes_an_app_s_only_active_secret() -> None:
    okta, _ = org()
    app = okta.add_app()

    with pytest.raises(OktaError, match="only active"):
        okta.revoke(app, app.secrets[0].id)


def test_a_person_replaces_a_secret_by_the_app_s_id() -> None:
    okta, _ = org()
    app = okta.add_app()
    first = app.secrets[0].id

    made = okta.add_secret_by_admin(app.id)
    okta.revoke(app.id, first)
    okta.delete_secret_by_admin(app.id, first)

    assert app.secrets == [made]


def test_a_key_must_be_a_key() -> None:
    okta, _ = org()

    with pytest.raises(ValueError, match="public JWKs"):
        okta.add_service_app({"kty": "none"}, scopes=[])


def test_a_method_must_be_a_method() -> None:
    okta, _ = org()

    with pytest.raises(ValueError, match="smoke signals"):
        okta.set_auth_method_by_admin(okta.add_app(), "smoke signals")


def test_an_unknown_reason_cannot_be_scripted() -> None:
    okta, _ = org()

    with pytest.raises(ValueError, match="bad weather"):
        okta.refuse_tokens("bad weather")


def test_the_state_tells_no_secret() -> None:
    okta, admin = org()
    app = okta.add_app("Billing", secrets=["a-secret-nobody-may-see"])
    admin.get("/api/v1/apps")

    state = okta.state()

    assert state["apps"][app.id]["secrets"] == {app.secrets[0].id: "ACTIVE"}
    assert state["calls"] == {"apps": 1}
    assert "nobody-may-see" not in str(state)


def test_the_control_endpoint_s_actions_work() -> None:
    okta, _ = org()
    app = okta.add_app()
    first = app.secrets[0].id
    actions = okta.actions()

    made = actions["add_secret"](app=app.id)["id"]
    revoked = actions["revoke"](app=app.id, secret_id=first)
    actions["delete_secret"](app=app.id, secret_id=first)
    actions["deactivate_app"](app=app.id)
    off = app.status
    actions["activate_app"](app=app.id)
    actions["set"](same_state="refused", create_delay=2)

    assert ([secret.id for secret in app.secrets], revoked) == ([made], {"status": "INACTIVE"})
    assert (off, app.status) == ("INACTIVE", "ACTIVE")
    assert (okta.settings.same_state, okta.settings.create_delay) == ("refused", 2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("colour", 1, id="what does not exist"),
        pytest.param("window", 1, id="what is no switch"),
        pytest.param("__class__", 1, id="what is not for sale"),
        pytest.param("same_state", "maybe", id="to a word that it does not know"),
        pytest.param("create_delay", "soon", id="to no number"),
        pytest.param("create_delay", -1, id="to less than nothing"),
        pytest.param("www_authenticate", "yes", id="to a word instead of yes or no"),
    ],
)
def test_from_outside_only_switches_can_be_set(name: str, value: object) -> None:
    okta, _ = org()

    with pytest.raises(ValueError, match=f"'{name}' cannot be set"):
        okta.change(**{name: value})


def test_the_same_seed_makes_the_same_world() -> None:
    worlds = [org(seed=7)[0].add_app() for _ in range(2)]

    assert worlds[0] == worlds[1]
    assert org(seed=8)[0].add_app() != worlds[0]


def test_a_call_costs_well_under_a_millisecond() -> None:
    okta, admin = org(limits={"apps": 10**6, "oauth2": 10**6}, principal_share=1.0)
    for number in range(2000):
        okta.add_app(f"app {number}", secrets=["a-long-enough-value"])
    app = list(okta.org.apps.values())[1000]
    headers = basic(app.client_id, "a-long-enough-value")
    calls: list[Callable[[], Answer]] = [
        lambda: admin.get(f"/api/v1/apps/{app.id}/credentials/secrets"),
        lambda: admin.form("/oauth2/v1/introspect", headers, token="x"),
    ]

    # The median of many: a machine that is busy elsewhere must not fail it.
    assert all(median(_seconds(call) for _ in range(101)) < 0.001 for call in calls)


def _seconds(call: Callable[[], Answer]) -> float:
    begun = time.perf_counter()
    assert call().status == 200
    return time.perf_counter() - begun
