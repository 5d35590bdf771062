"""What a good configuration becomes."""

from __future__ import annotations

import re
from datetime import date, time, timedelta
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from rotator.core.admission import Limits
from rotator.core.budget import Shares
from rotator.core.model import (
    AppId,
    ClientId,
    Destination,
    FieldNames,
    KvPath,
    Mode,
    Onboard,
    OnUnknownValue,
    Policy,
    Wave,
)
from rotator.core.schedule import Blackout, Window
from rotator.core.selection import Member, Newcomers, targets_of
from rotator.core.usage import Usage
from rotator.errors import ConfigError
from rotator.settings import (
    AppRoleAuth,
    Control,
    JwtAuth,
    KubernetesAuth,
    Listen,
    PrivateKeyJwtAuth,
    SswsAuth,
    State,
    TokenAuth,
    control_socket,
    find_targets,
    load,
)
from rotator.settings.json_schema import json_schema
from rotator.settings.kinds import read_duration, write_duration
from rotator.settings.yaml_text import parse
from tests.fakes.okta import NOON
from tests.settings.files import CANARY, GOOD, NOBODY, changed, loaded, save, selecting


def test_a_target_is_resolved_into_where_it_reads_waits_and_writes(tmp_path: Path) -> None:
    (target,) = loaded(tmp_path).targets

    assert (target.name, target.org, target.vault) == ("billing", "acme", "main")
    assert target.consumer == KvPath("kv", "billing/okta")
    assert target.staging == KvPath("secret", "rotator/staging/acme.okta.com/0oa1example1example1")
    assert target.settle == timedelta(seconds=10 + 5 + 10 + 2)


@pytest.mark.parametrize(
    ("written", "shares"),
    [
        pytest.param("{}", Shares(0.4, 0.8), id="neither"),
        pytest.param("{routine: 0.1}", Shares(0.1, 0.8), id="one of them"),
        pytest.param("{routine: 1, urgent: 1}", Shares(1.0, 1.0), id="all of it"),
    ],
)
def test_the_shares_of_the_rate_limits_are_resolved_whatever_is_left_out(
    tmp_path: Path, written: str, shares: Shares
) -> None:
    text = changed("com\n    auth: {method: s", f"com\n    rate_share: {written}\n    auth: {{method: s")

    assert loaded(tmp_path, text).orgs["acme"].rate_share == shares
    assert loaded(tmp_path).orgs["acme"].rate_share == Shares()


def test_a_target_settles_later_where_answers_may_take_longer(tmp_path: Path) -> None:
    slow = changed(
        "com\n    auth: {method: s", "com\n    answer_within: 30s\n    propagation: 1m\n    auth: {method: s"
    )

    (target,) = loaded(tmp_path, slow).targets

    assert target.settle == timedelta(seconds=30 + 60 + 10 + 2)


def test_a_policy_has_every_key_that_is_written(tmp_path: Path) -> None:
    text = changed(
        "{mode: auto, rotate_after: 90d, overlap: 7d, soak: 3d}",
        "{mode: manual, onboard: rotate, rotate_after: 12w, overlap: {min: 36h, max: 5d}, usage: required,"
        " soak: 45m, reclaim_after: 10d,"
        ' on_unknown_value: rotate, daily_cap: 2, windows: [{days: [sat, sun], from: "22:30", to: "04:00",'
        " zone: Europe/Oslo}], blackouts: [{from: 2026-12-20, to: 2027-01-03, zone: Europe/Oslo}, {from: 2027-05-17,"
        " zone: UTC}], wave: {canary: 2, size: 30, spacing: 90s}, backlog_spread: 30d}",
    )

    assert loaded(tmp_path, text).policies["prod"] == Policy(
        name="prod",
        mode=Mode.MANUAL,
        onboard=Onboard.ROTATE,
        rotate_after=timedelta(weeks=12),
        overlap=timedelta(hours=36),
        overlap_max=timedelta(days=5),
        usage=Usage.REQUIRED,
        soak=timedelta(minutes=45),
        reclaim_after=timedelta(days=10),
        on_unknown_value=OnUnknownValue.ROTATE,
        windows=(Window(frozenset({"sat", "sun"}), time(22, 30), time(4), "Europe/Oslo"),),
        blackouts=(
            Blackout(date(2026, 12, 20), date(2027, 1, 3), "Europe/Oslo"),
            Blackout(date(2027, 5, 17), date(2027, 5, 17), "UTC"),
        ),
        daily_cap=2,
        wave=Wave(canary=2, size=30, spacing=timedelta(seconds=90)),
        backlog_spread=timedelta(days=30),
    )


def test_the_defaults_of_a_policy_are_those_of_the_model(tmp_path: Path) -> None:
    settings = loaded(tmp_path, changed("{mode: auto, rotate_after: 90d, overlap: 7d, soak: 3d}", "{}"))

    assert settings.policies["prod"] == Policy(name="prod")


@pytest.mark.parametrize("usage", list(Usage))
def test_a_usage_is_written_without_quotes(tmp_path: Path, usage: Usage) -> None:
    settings = loaded(tmp_path, changed("soak: 3d", f"usage: {usage.value}"))

    assert settings.policies["prod"].usage is usage


@pytest.mark.parametrize(
    ("written", "longest"),
    [
        ("7d", 30),
        ("20d", 40),
        ("{min: 7d}", 30),
        ("{min: 20d}", 40),
        ("{min: 20d, max: 20d}", 20),
        ("{min: 1d, max: 9d}", 9),
    ],
)
def test_an_overlap_ends_at_its_max_or_well_after_its_min(tmp_path: Path, written: str, longest: int) -> None:
    settings = loaded(tmp_path, changed("overlap: 7d", f"overlap: {written}"))

    assert settings.policies["prod"].overlap_max == timedelta(days=longest)


def test_a_wave_of_which_nothing_is_told_is_that_of_the_model(tmp_path: Path) -> None:
    settings = loaded(tmp_path, changed("soak: 3d", "wave: {}"))

    assert settings.policies["prod"].wave == Wave()


@pytest.mark.parametrize(
    ("written", "limits"),
    [
        pytest.param("", Limits(), id="none"),
        pytest.param("limits: {}\n", Limits(), id="no limit of them"),
        pytest.param("limits: {urgent_share: 0}\n", Limits(urgent_share=0), id="one"),
        pytest.param("limits: {urgent_at_once: 9, urgent_share: 0.5, failures: 3}\n", Limits(9, 0.5, 3), id="all"),
    ],
)
def test_the_limits_are_resolved_whatever_is_left_out(tmp_path: Path, written: str, limits: Limits) -> None:
    settings = loaded(tmp_path, GOOD + written)

    assert settings.limits == limits
    assert {each.key for each in settings.shown} >= {"limits.urgent_at_once", "limits.failures"}


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        pytest.param("'127.0.0.1:8321'", "127.0.0.1", 8321, id="loopback"),
        pytest.param("0.0.0.0:80", "0.0.0.0", 80, id="every interface, without quotes"),
        pytest.param("'[::1]:65535'", "::1", 65535, id="IPv6"),
        pytest.param("localhost:1", "localhost", 1, id="localhost"),
    ],
)
def test_the_daemon_listens_where_it_is_told(tmp_path: Path, text: str, host: str, port: int) -> None:
    settings = loaded(tmp_path, GOOD + f"health: {{listen: {text}}}\n")

    assert settings.health == Listen(host, port)
    assert str(settings.health) == text.strip("'")


def test_the_daemon_listens_nowhere_unless_told(tmp_path: Path) -> None:
    assert loaded(tmp_path).health is None


def test_the_control_socket_lies_where_it_is_told_for_whom_it_is_told(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD + "control: {socket: /run/rotator/control.sock, group: ops}\n")

    assert settings.control == Control(Path("/run/rotator/control.sock"), "ops")
    assert loaded(tmp_path).control == Control()


@pytest.mark.parametrize(
    ("text", "environ", "place"),
    [
        pytest.param("control: {socket: /run/c.sock}\n", {}, "/run/c.sock", id="where the configuration says"),
        pytest.param(
            "control: {socket: /run/c.sock}\n", {"ROTATOR_CONTROL__SOCKET": "/e"}, "/e", id="or the environment"
        ),
        pytest.param("", {"RUNTIME_DIRECTORY": "/run/r"}, "/run/r/control.sock", id="or in the usual place"),
        pytest.param(
            "control: nonsense\n", {"RUNTIME_DIRECTORY": "/run/r"}, "/run/r/control.sock", id="if it says nothing"
        ),
    ],
)
def test_who_only_asks_the_daemon_needs_nothing_else_of_the_configuration(
    tmp_path: Path, text: str, environ: dict[str, str], place: str
) -> None:
    config = save(tmp_path, GOOD.replace("token_file: token", "token_file: gone").replace("auto", "wrong") + text)

    assert control_socket(config, environ=environ, home=NOBODY) == Path(place)


def test_without_a_configuration_the_daemon_is_looked_for_in_the_usual_place(tmp_path: Path) -> None:
    assert control_socket(environ={"STATE_DIRECTORY": "/s"}, home=tmp_path) == Path("/s/control.sock")


def test_a_target_without_a_policy_is_only_observed(tmp_path: Path) -> None:
    (target,) = loaded(tmp_path, changed("    policy: prod\n", "")).targets

    assert target.policy.mode is Mode.OBSERVE


def test_a_single_org_and_vault_need_no_alias(tmp_path: Path) -> None:
    flat = GOOD.replace("  acme:\n", "").replace("  main:\n", "").replace("    org_url", "  org_url")
    flat = flat.replace("    auth", "  auth").replace("    address", "  address")

    settings = loaded(tmp_path, flat)

    assert (list(settings.orgs), list(settings.vaults)) == (["default"], ["default"])
    assert settings.targets[0].org == "default"
    assert "okta.org_url" in {each.key for each in settings.shown}


def test_a_mistake_in_an_org_without_alias_is_told_as_it_is_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, "okta:\n  org_url: http://acme.okta.com\n  auth: {method: ssws, token_file: token}\n")

    assert refused.value.problems[-1].startswith(f"{tmp_path}/config.yaml:2: okta.org_url: is not encrypted")


@pytest.mark.parametrize(
    ("url", "resolved"),
    [
        pytest.param("https://acme.okta.com/", "https://acme.okta.com", id="a slash at the end is dropped"),
        pytest.param("https://ACME.okta.com", "https://acme.okta.com", id="a host is lower case"),
        pytest.param("https://sso.acme.example:8443", "https://sso.acme.example:8443", id="a port is kept"),
        pytest.param("http://127.0.0.1:8080", "http://127.0.0.1:8080", id="loopback may be plain"),
        pytest.param("http://localhost:8080", "http://localhost:8080", id="localhost may be plain"),
        pytest.param('"http://[::1]:8080"', "http://[::1]:8080", id="loopback of IPv6 may be plain"),
    ],
)
def test_an_address_is_brought_to_one_form(tmp_path: Path, url: str, resolved: str) -> None:
    assert loaded(tmp_path, changed("https://acme.okta.com", url)).orgs["acme"].url == resolved


def test_a_host_of_ipv6_makes_a_path_that_vault_takes(tmp_path: Path) -> None:
    settings = loaded(tmp_path, changed("https://acme.okta.com", '"http://[::1]:8080"'))

    assert settings.targets[0].staging.path == "rotator/staging/--1/0oa1example1example1"


@pytest.mark.parametrize(
    ("auth", "kind"),
    [
        pytest.param("{method: token, token_file: token}", TokenAuth, id="token"),
        pytest.param("{method: approle, role_id_file: token, secret_id_file: secret-id}", AppRoleAuth, id="approle"),
        pytest.param("{method: kubernetes, role: r, jwt_file: token}", KubernetesAuth, id="kubernetes"),
        pytest.param("{method: jwt, role: r, jwt_file: token, mount: oidc/ci}", JwtAuth, id="jwt"),
    ],
)
def test_every_way_to_log_in_to_vault_is_resolved(tmp_path: Path, auth: str, kind: type) -> None:
    text = changed("{method: approle, role_id: rotator, secret_id_file: secret-id}", auth)

    assert isinstance(loaded(tmp_path, text).vaults["main"].auth, kind)


def test_a_service_app_is_resolved_with_its_key_and_scopes(tmp_path: Path) -> None:
    text = changed(
        "{method: ssws, token_file: token}",
        "{method: private_key_jwt, client_id: 0oaservice, key_file: okta-key.pem, kid: k1, scopes: [okta.apps.manage]}",
    )

    auth = loaded(tmp_path, text).orgs["acme"].auth

    assert isinstance(auth, PrivateKeyJwtAuth)
    assert (auth.client_id, auth.kid, auth.scopes) == ("0oaservice", "k1", ("okta.apps.manage",))
    assert auth.key.read().reveal() == f"okta-key.pem-{CANARY}"


def test_a_secret_file_is_read_anew_at_each_login(tmp_path: Path) -> None:
    auth = loaded(tmp_path).orgs["acme"].auth
    assert isinstance(auth, SswsAuth)

    (tmp_path / "token").write_text("  the next token\n")

    assert auth.token.read().reveal() == "the next token"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        pytest.param(lambda file: file.unlink(), "cannot be read: No such file", id="it is gone"),
        pytest.param(lambda file: file.write_text(" \n"), "is empty; put the secret into it", id="it is empty"),
        pytest.param(lambda file: file.write_bytes(b"\xff\xfe\x00"), "is not text", id="it is no text"),
        pytest.param(lambda file: file.write_text("x" * 70_000), "is longer than any secret", id="it is huge"),
    ],
)
def test_a_secret_file_that_went_bad_is_a_clear_error(tmp_path: Path, spoil: object, said: str) -> None:
    auth = loaded(tmp_path).orgs["acme"].auth
    assert isinstance(auth, SswsAuth)
    assert callable(spoil)

    spoil(tmp_path / "token")

    with pytest.raises(ConfigError, match=f"file {tmp_path}/token {said}"):
        auth.token.read()


def test_settings_show_no_secret_in_any_text_form(tmp_path: Path) -> None:
    settings = loaded(tmp_path, changed("token_file: token", "token_file: env:OKTA"), OKTA=CANARY)

    assert CANARY not in repr(settings) + repr(settings.shown)


def test_each_setting_says_where_it_comes_from(tmp_path: Path) -> None:
    settings = loaded(tmp_path, ROTATOR_POLICIES__PROD__SOAK="2d")

    sources = {each.key: (each.value, each.source) for each in settings.shown}
    assert sources["okta.acme.org_url"] == ("https://acme.okta.com", f"{tmp_path}/config.yaml:3")
    assert sources["policies.prod.soak"] == ("2d", "environment ROTATOR_POLICIES__PROD__SOAK")
    assert sources["policies.prod.reclaim_after"] == ("30d", "default")
    assert sources["policies.prod.overlap.min"] == ("7d", f"{tmp_path}/config.yaml:10")
    assert sources["targets.billing.org"] == ("acme", "the only one")
    assert sources["okta.acme.auth.token_file"] == ("token", f"{tmp_path}/config.yaml:4")
    assert sources["vaults.main.auth.role_id"][0] == "(set)"


def test_a_secret_file_that_everybody_may_read_gets_a_warning(tmp_path: Path) -> None:
    config = save(tmp_path, GOOD)
    (tmp_path / "token").chmod(0o644)

    (warning,) = load(config, environ={}, home=NOBODY).warnings

    assert warning == (
        f"{config}:4: okta.acme.auth.token_file: everybody on this machine may read `{tmp_path}/token`; `chmod 600` it"
    )


def test_a_secret_that_kubernetes_mounted_gets_no_warning(tmp_path: Path) -> None:
    config = save(tmp_path, GOOD)
    (tmp_path / "..data").mkdir()
    (tmp_path / "token").rename(tmp_path / "..data" / "token")
    (tmp_path / "..data" / "token").chmod(0o644)
    (tmp_path / "token").symlink_to("..data/token")

    assert load(config, environ={}, home=NOBODY).warnings == ()


def test_targets_are_found_by_name_and_by_app_id_each_once(tmp_path: Path) -> None:
    settings = loaded(tmp_path)

    assert find_targets(settings, ["billing", "0oa1example1example1"]) == settings.targets


def test_unknown_targets_are_all_named_with_what_was_probably_meant(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        find_targets(loaded(tmp_path), ["biling", "billing", "zzz"])

    assert refused.value.problems == (
        "there is no target 'biling'; did you mean `billing`?",
        "there is no target 'zzz'; choose one of `billing`",
    )


def test_a_configuration_without_targets_is_valid_and_says_so(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD.split("targets:")[0])

    assert settings.targets == ()
    assert [bool(re.search("there is no target yet", each)) for each in settings.warnings] == [True]


@pytest.mark.parametrize(
    ("text", "length", "again"),
    [
        pytest.param("90d", timedelta(days=90), "90d", id="days"),
        pytest.param("2w", timedelta(days=14), "14d", id="weeks are told as days"),
        pytest.param("36h", timedelta(hours=36), "36h", id="hours that make no whole days"),
        pytest.param("48h", timedelta(days=2), "2d", id="hours that make whole days"),
        pytest.param("2000000s", timedelta(seconds=2_000_000), "2000000s", id="many seconds"),
    ],
)
def test_a_duration_is_read_and_told(text: str, length: timedelta, again: str) -> None:
    assert read_duration(text) == length
    assert write_duration(length) == again


def test_without_a_state_of_its_own_it_is_a_file_in_the_state_directory(tmp_path: Path) -> None:
    settings = loaded(tmp_path, STATE_DIRECTORY="/var/lib/a")

    assert settings.state == State("sqlite:////var/lib/a/database/state.db", named=False)
    assert [(each.value, each.source) for each in settings.shown if each.key == "state.url"] == [
        ("sqlite:////var/lib/a/database/state.db", "default")
    ]


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:////srv/rotator/state.db",
        "postgresql://rotator@db.example.com/rotator?sslmode=verify-full",
        "postgresql+psycopg://db:5433/rotator",
        "postgresql://rotator@/rotator?host=/run/postgresql",
        "postgresql://[::1]/rotator",
    ],
)
def test_a_state_url_is_taken_as_it_is(tmp_path: Path, url: str) -> None:
    text = GOOD + f"state: {{url: '{url}'}}\n"

    assert loaded(tmp_path, text).state == State(url)
    assert list(Draft202012Validator(json_schema()).iter_errors(parse(text, "config.yaml").data)) == []


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        pytest.param("state: {url: 'postgresql://db/x', password_file: token}\n", {}, id="a file"),
        pytest.param(
            "state: {url: 'postgresql://db/x'}\n", {"ROTATOR_STATE__PASSWORD": f"token-{CANARY}"}, id="the environment"
        ),
    ],
)
def test_the_state_s_password_is_read_where_it_lies_and_never_shown(
    tmp_path: Path, text: str, environ: dict[str, str]
) -> None:
    settings = loaded(tmp_path, GOOD + text, **environ)

    assert settings.state.password
    assert settings.state.password.read().reveal() == f"token-{CANARY}"
    assert CANARY not in repr(settings) + repr(settings.shown)


# --- several places ----------------------------------------------------------------------------------------


def test_the_first_place_leads_and_the_others_keep_their_own_field_names(tmp_path: Path) -> None:
    more = "okta}, {mount: kv, path: b, fields: {client_id: ID, client_secret: KEY}}, {mount: secret, path: c/d}]"
    (target,) = loaded(tmp_path, changed("okta}]", more)).targets

    assert (target.consumer, target.fields) == (KvPath("kv", "billing/okta"), FieldNames())
    assert target.also == (
        Destination(KvPath("kv", "b"), FieldNames("ID", "KEY")),
        Destination(KvPath("secret", "c/d"), FieldNames()),
    )


def test_a_selection_has_templates_for_every_place(tmp_path: Path) -> None:
    text = selecting().replace('okta"}]', 'okta"}, {mount: kv, path: "more/{client_id}"}]')
    (selection,) = loaded(tmp_path, text).selections

    assert [str(each.path) for each in selection.target.also] == ["kv/more/{client_id}"]


# --- selections -----------------------------------------------------------------------------------------------


def test_a_selection_is_resolved_into_what_its_members_are_like(tmp_path: Path) -> None:
    (selection,) = loaded(tmp_path, selecting()).selections

    assert (selection.name, selection.label, selection.apps) == ("services", "svc-*", frozenset())
    assert (selection.max_matches, selection.newcomers) == (2000, Newcomers.OBSERVE)
    assert (selection.target.org, selection.target.vault) == ("acme", "main")
    assert selection.target.consumer == KvPath("kv", "apps/{app_id}/okta")
    assert selection.target.staging == KvPath("secret", "rotator/staging/acme.okta.com/{app_id}")
    assert selection.target.policy.name == "prod"


def test_a_selection_may_list_its_apps(tmp_path: Path) -> None:
    text = selecting(where="{apps: [0oa3example3example3, 0oa4example4example4]}", path="by-client/{client_id}")
    (selection,) = loaded(tmp_path, text).selections

    assert selection.label is None
    assert selection.apps == {"0oa3example3example3", "0oa4example4example4"}


def test_an_override_changes_the_policy_or_its_mode_for_one_app(tmp_path: Path) -> None:
    ids = ("0oa7example7example7", "0oa8example8example8", "0oa9example9example9")
    given = ("{mode: manual}", "{policy: slow}", "{policy: slow, mode: observe}")
    more = ", ".join(f"{app_id}: {each}" for app_id, each in zip(ids, given, strict=True))
    text = selecting(more=f"overrides: {{{more}}}").replace("policies:\n", "policies:\n  slow: {mode: auto}\n")
    (selection,) = loaded(tmp_path, text).selections

    found = [(policy.name, policy.mode) for policy in (selection.overrides[AppId(app_id)] for app_id in ids)]
    assert found == [("prod", Mode.MANUAL), ("slow", Mode.AUTO), ("slow", Mode.OBSERVE)]


def test_a_selection_without_a_policy_has_the_default_one_which_observes(tmp_path: Path) -> None:
    (selection,) = loaded(tmp_path, selecting().replace('"}\n    policy: prod\n', '"}\n')).selections

    assert (selection.target.policy.name, selection.target.policy.mode) == ("default", Mode.OBSERVE)


def test_a_configuration_of_selections_alone_is_no_empty_one(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD.split("targets:")[0] + selecting().removeprefix(GOOD))

    assert settings.warnings == ()


def test_a_variable_may_change_a_selection(tmp_path: Path) -> None:
    (selection,) = loaded(tmp_path, selecting(), ROTATOR_SELECTIONS__SERVICES__MAX_MATCHES="7").selections

    assert selection.max_matches == 7


def test_members_are_found_by_name_by_app_id_and_all_together(tmp_path: Path) -> None:
    settings = loaded(tmp_path, selecting())
    known = [
        Member("services", AppId(f"0oa{n}example{n}example{n}"), ClientId("x"), f"svc-{n}", NOON) for n in (1, 2, 3)
    ]
    everybody = targets_of(settings, known[1:])
    billing, second, third = everybody

    assert find_targets(settings, ["services/0oa2example2example2"], among=everybody) == (second,)
    assert find_targets(settings, ["0oa3example3example3", "billing"], among=everybody) == (third, billing)
    assert find_targets(settings, ["services", "services/0oa2example2example2"], among=everybody) == (second, third)
    assert find_targets(settings, ["services"]) == ()
    with pytest.raises(ConfigError, match="did you mean `services/0oa2example2example2`"):
        find_targets(settings, ["services/0oa2exampel2"], among=everybody)
