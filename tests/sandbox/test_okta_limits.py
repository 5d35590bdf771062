"""Rate limits (contracts: Okta 6.1, 6.2)."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from .okta_client import Answer, OktaClient, basic, org

if TYPE_CHECKING:
    from rotator.sandbox.okta import OktaEmulator

APPS = "/api/v1/apps"


def numbers(answer: Answer) -> tuple[int, int, int]:
    limit, remaining, reset = (answer.header(f"x-rate-limit-{part}") for part in ("limit", "remaining", "reset"))
    assert limit is not None
    assert remaining is not None
    assert reset is not None
    return int(limit), int(remaining), int(reset)


def another(okta: OktaEmulator) -> OktaClient:
    return OktaClient(okta, f"SSWS {okta.add_api_token()}")


def test_answers_tell_the_share_of_one_token() -> None:
    okta, admin = org(plan="integrator")
    app = okta.add_app()

    first, second = (numbers(admin.get(f"{APPS}/{app.id}/credentials/secrets")) for _ in range(2))

    assert (first[:2], second[:2]) == ((10, 9), (10, 8))


def test_refusals_tell_the_limits_too() -> None:
    _, admin = org()

    answers = [
        admin.get(f"{APPS}/0oanone"),
        admin.get(APPS, after="nonsense"),
        OktaClient(admin.okta, "SSWS x").get(APPS),
    ]

    assert [answer.status for answer in answers] == [404, 400, 401]
    assert all(numbers(answer)[0] > 0 for answer in answers)


def test_the_reset_is_sixty_seconds_after_the_first_call_of_the_window() -> None:
    okta, admin = org()
    begun = okta.org.clock.now().timestamp()

    first = numbers(admin.get(APPS))[2]
    okta.org.clock.advance(timedelta(seconds=30))
    later = numbers(admin.get(APPS))[2]

    assert first == later
    assert begun + 60 <= first < begun + 61


def test_a_call_beyond_the_limit_is_refused_and_not_applied() -> None:
    okta, admin = org(plan="integrator")
    app = okta.add_app(secrets=[])
    for _ in range(10):
        admin.get(f"{APPS}/{app.id}/credentials/secrets")

    answer = admin.post(f"{APPS}/{app.id}/credentials/secrets")

    assert (answer.status, answer.document["errorCode"]) == (429, "E0000047")
    assert answer.document["errorSummary"] == "API call exceeded rate limit due to too many requests."
    assert answer.header("retry-after") is None
    assert numbers(answer)[:2] == (10, 0)
    assert app.secrets == []


def test_a_refused_call_does_not_use_up_the_next_window() -> None:
    okta, admin = org(limits={"apps": 4})
    for _ in range(10):
        admin.get(APPS)
    okta.org.clock.advance(timedelta(seconds=61))

    assert numbers(admin.get(APPS))[:2] == (2, 1)


def test_a_new_window_opens_after_sixty_seconds() -> None:
    okta, admin = org(limits={"apps": 2})

    statuses = [admin.get(APPS).status for _ in range(2)]
    okta.org.clock.advance(timedelta(seconds=59))
    statuses.append(admin.get(APPS).status)
    okta.org.clock.advance(timedelta(seconds=1))
    statuses.append(admin.get(APPS).status)

    assert statuses == [200, 429, 429, 200]


def test_everything_below_an_app_shares_the_bucket_of_the_list() -> None:
    okta, admin = org()
    app = okta.add_app()
    made = admin.post(f"{APPS}/{app.id}/credentials/secrets").document["id"]
    one = f"{APPS}/{app.id}/credentials/secrets/{made}"

    admin.get(APPS)
    admin.get(f"{APPS}/{app.id}/credentials/secrets")
    admin.post(f"{one}/lifecycle/deactivate")
    admin.post(f"{one}/lifecycle/activate")
    admin.post(f"{APPS}/{app.id}/lifecycle/deactivate")

    assert okta.calls == {"apps": 6}
    assert numbers(admin.get(APPS))[:2] == (50, 43)


def test_an_app_by_its_id_has_a_bucket_of_its_own() -> None:
    okta, admin = org(limits={"apps": 2})
    app = okta.add_app()
    admin.get(APPS)

    assert numbers(admin.get(f"{APPS}/{app.id}"))[:2] == (250, 249)
    assert admin.get(APPS).status == 429
    assert okta.calls == {"apps": 2, "app": 1}


PLANS = ["integrator", "one_app", "enterprise", "workforce"]


@pytest.mark.parametrize(
    ("bucket", "path", "limits"),
    [
        pytest.param("apps", APPS, [20, 100, 100, 100], id="the list of apps"),
        pytest.param("app", f"{APPS}/0oanone", [100, 600, 600, 500], id="an app"),
        pytest.param("clients", "/oauth2/v1/clients/nobody", [25, 100, 100, 100], id="clients"),
        pytest.param("logs", "/api/v1/logs", [20, 50, 50, 120], id="the log"),
    ],
)
def test_the_buckets_depend_on_the_plan(bucket: str, path: str, limits: list[int]) -> None:
    seen = []
    for plan in PLANS:
        okta, admin = org(plan=plan)
        seen.append(numbers(admin.get(path))[0])
        assert okta.calls == {bucket: 1}

    assert seen == [limit // 2 for limit in limits]


@pytest.mark.parametrize(
    ("path", "limits"),
    [
        pytest.param("/oauth2/v1/token", [300, 1200, 1200, 2000], id="the org's token endpoint"),
        pytest.param("/oauth2/default/v1/token", [300, 1200, 1200, 2000], id="a custom one"),
        pytest.param("/oauth2/v1/introspect", [300, 1200, 1200, 2000], id="the org's introspection"),
        pytest.param("/oauth2/default/v1/revoke", [300, 1200, 1200, 2000], id="a custom revocation"),
    ],
)
def test_token_endpoints_are_limited_as_well(path: str, limits: list[int]) -> None:
    seen = []
    for plan in PLANS:
        okta, _ = org(plan=plan)
        okta.add_authorization_server()
        seen.append(numbers(OktaClient(okta).form(path, token="x"))[0])

    assert seen == [limit // 2 for limit in limits]


def test_each_authorization_server_has_a_token_bucket_of_its_own() -> None:
    okta, client = org()
    okta.add_authorization_server("one")
    okta.add_authorization_server("two")

    for server in ("one", "two", "two"):
        client.form(f"/oauth2/{server}/v1/token", grant_type="client_credentials")

    assert okta.calls == {"token:one": 1, "token:two": 2}


def test_introspection_and_revocation_share_a_bucket() -> None:
    okta, client = org()

    client.form("/oauth2/v1/introspect", token="x")
    client.form("/oauth2/v1/revoke", token="x")

    assert okta.calls == {"oauth2": 2}


def test_each_client_has_its_own_share_of_a_token_bucket() -> None:
    okta, client = org(limits={"oauth2": 4})
    apps = [okta.add_app(secrets=["a-long-enough-value"]) for _ in range(2)]

    statuses = [
        client.form("/oauth2/v1/introspect", basic(app.client_id, "a-long-enough-value"), token="x").status
        for app in (apps[0], apps[0], apps[0], apps[1])
    ]

    assert statuses == [200, 200, 429, 200]


def test_keys_and_discovery_are_not_limited() -> None:
    _, client = org()

    answers = [client.get(path) for path in ("/oauth2/v1/keys", "/.well-known/openid-configuration")]

    assert all(answer.status == 200 and answer.header("x-rate-limit-limit") is None for answer in answers)


def test_another_token_has_a_share_of_its_own() -> None:
    okta, admin = org(limits={"apps": 4})
    other = another(okta)

    statuses = [client.get(APPS).status for client in (admin, admin, admin, other, other, other)]

    assert statuses == [200, 200, 429, 200, 200, 429]


def test_the_org_s_limit_binds_where_shares_overlap() -> None:
    okta, admin = org(limits={"apps": 4}, principal_share=1.0)
    other = another(okta)
    for _ in range(3):
        other.get(APPS)

    answers = [admin.get(APPS) for _ in range(2)]

    assert [answer.status for answer in answers] == [200, 429]
    assert numbers(answers[0])[:2] == (4, 0)


def test_a_competitor_uses_its_part_evenly_over_the_window() -> None:
    okta, admin = org(limits={"apps": 100}, principal_share=1.0)
    okta.compete("apps", 0.3)

    first = numbers(admin.get(APPS))
    okta.org.clock.advance(timedelta(seconds=30))
    later = numbers(admin.get(APPS))

    assert (first[:2], later[:2]) == ((100, 99), (100, 83))


def test_too_many_calls_at_once_are_refused_with_a_limit_of_nought() -> None:
    okta, admin = org()
    okta.crowd(2)

    answers = [admin.get(APPS) for _ in range(3)]

    assert [answer.status for answer in answers] == [429, 429, 200]
    assert numbers(answers[0])[:2] == (0, 0)
    assert answers[0].document["errorCode"] == "E0000047"
    assert numbers(answers[2])[:2] == (50, 49)


def test_the_log_tells_of_refused_calls_once_a_window() -> None:
    okta, admin = org(limits={"apps": 2})
    for _ in range(4):
        admin.get(APPS)
    okta.crowd(1)
    admin.get(APPS)

    kinds = [event.kind for event in okta.log.events()]

    assert kinds.count("system.org.rate_limit.violation") == 1
    assert kinds.count("core.concurrency.org.limit.violation") == 1


def test_the_log_warns_before_the_org_s_limit() -> None:
    okta, admin = org(limits={"apps": 20}, principal_share=1.0)
    for _ in range(18):
        admin.get(APPS)
    before = len(okta.log.events("system.org.rate_limit.warning"))
    admin.get(APPS)
    admin.get(APPS)

    assert (before, len(okta.log.events("system.org.rate_limit.warning"))) == (0, 1)


def test_calls_are_counted_by_bucket_and_kind() -> None:
    okta, admin = org(limits={"apps": 2})
    admin.get(APPS)
    admin.get(APPS)

    assert (okta.calls, okta.refused) == ({"apps": 2}, {"apps": 1})
    assert okta.calls_by_kind == {"GET /api/v1/apps": 2}


def test_the_token_endpoint_may_word_its_429_otherwise() -> None:
    okta, client = org(limits={"oauth2": 2}, oauth_wording="spec")

    answers = [client.form("/oauth2/v1/introspect", client_id="x", token="x") for _ in range(2)]
    okta.crowd(1)
    elsewhere = client.get(APPS)

    assert (answers[1].status, answers[1].document["errorCode"]) == (429, "E0000047")
    expected = "You exceeded the maximum number of requests. Try again in a while."
    assert answers[1].document["errorSummary"] == expected
    assert elsewhere.document["errorSummary"] == "API call exceeded rate limit due to too many requests."
