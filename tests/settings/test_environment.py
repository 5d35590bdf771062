"""What the environment adds to a configuration, and what it must not."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import pytest

from rotator.core.model import KvPath, Mode
from rotator.core.schedule import Blackout
from rotator.errors import ConfigError
from rotator.settings import (
    AppRoleAuth,
    PrivateKeyJwtAuth,
    SswsAuth,
    TokenAuth,
    fileless,
    load,
)
from tests.settings.files import CANARY, GOOD, NOBODY, changed, loaded, save

if TYPE_CHECKING:
    from pathlib import Path

BARE = "targets:" + GOOD.split("targets:")[1].replace("    policy: prod\n", "")
OKTA = {"OKTA_CLIENT_ORGURL": "https://acme.okta.com", "OKTA_CLIENT_TOKEN": CANARY}
VAULT = {"VAULT_ADDR": "https://vault.example.com:8200", "VAULT_TOKEN": f"v{CANARY}"}
APP = "0oa1example1example1"


@pytest.mark.parametrize(
    ("name", "value", "key", "shown"),
    [
        pytest.param("ROTATOR_OKTA__ACME__ORG_URL", "https://b.okta.com", "okta.acme.org_url", "https://b.okta.com",
                     id="a value is replaced"),
        pytest.param("ROTATOR_OKTA__ORG_URL", "https://b.okta.com", "okta.acme.org_url", "https://b.okta.com",
                     id="a single org needs no alias"),
        pytest.param("ROTATOR_POLICIES__PROD__DAILY_CAP", "7", "policies.prod.daily_cap", "7", id="a number is one"),
        pytest.param(
            "ROTATOR_OKTA__ACME__RATE_SHARE__ROUTINE", ".25", "okta.acme.rate_share.routine", "0.25", id="a part of one"
        ),
        pytest.param(
            "ROTATOR_OKTA__ACME__RATE_SHARE__URGENT", "1", "okta.acme.rate_share.urgent", "1.0", id="and all of it"
        ),
        pytest.param("ROTATOR_VAULTS__MAIN__AUTH__WRAPPED", "true", "vaults.main.auth.wrapped", "true",
                     id="a flag is one"),
        pytest.param("ROTATOR_TARGETS__BILLING__WRITE_TO__0__PATH", "x/y", "targets.billing.write_to[0].path", "x/y",
                     id="a list is entered by number"),
        pytest.param("ROTATOR_LIMITS__FAILURES", "3", "limits.failures", "3", id="a key of a section without names"),
        pytest.param("ROTATOR_HEALTH__LISTEN", "0.0.0.0:8321", "health.listen", "0.0.0.0:8321",
                     id="a section without names is entered"),
        pytest.param("ROTATOR_STATE__URL", "sqlite:////a/b", "state.url", "sqlite:////a/b", id="the state's URL"),
        pytest.param("ROTATOR_POLICIES__PROD__SOAK", "", "policies.prod.soak", "3d", id="an empty one is absent"),
    ],
)  # fmt: skip
def test_a_variable_replaces_a_key(tmp_path: Path, name: str, value: str, key: str, shown: str) -> None:
    settings = loaded(tmp_path, **{name: value})

    assert {each.key: each.value for each in settings.shown}[key] == shown


def test_an_entry_of_a_list_may_come_from_variables_alone(tmp_path: Path) -> None:
    first = "ROTATOR_POLICIES__PROD__BLACKOUTS__0"

    settings = loaded(tmp_path, **{f"{first}__FROM": "2026-12-24", f"{first}__ZONE": "Europe/Oslo"})

    assert settings.policies["prod"].blackouts == (Blackout(date(2026, 12, 24), date(2026, 12, 24), "Europe/Oslo"),)


def test_a_short_form_is_not_entered(tmp_path: Path) -> None:
    name = "ROTATOR_POLICIES__PROD__OVERLAP__MIN"

    with pytest.raises(ConfigError, match=rf"environment {name}: policies\.prod\.overlap\.min: leads nowhere"):
        loaded(tmp_path, **{name: "6d"})


def test_a_name_is_found_whatever_its_case_and_its_dashes(tmp_path: Path) -> None:
    text = GOOD.replace("  billing:\n", "  Billing-API.v2:\n")

    settings = loaded(tmp_path, text, ROTATOR_TARGETS__BILLING_API_V2__APP_ID="0oa2example2example2")

    assert settings.targets[0].name == "Billing-API.v2"
    assert settings.targets[0].app_id == "0oa2example2example2"


def test_a_whole_configuration_may_come_from_variables(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        "",
        ROTATOR_OKTA__ORG_URL="https://acme.okta.com",
        ROTATOR_OKTA__AUTH__METHOD="ssws",
        ROTATOR_OKTA__AUTH__TOKEN=CANARY,
        ROTATOR_VAULTS__ADDRESS="https://vault.example.com",
        ROTATOR_VAULTS__AUTH__METHOD="approle",
        ROTATOR_VAULTS__AUTH__ROLE_ID="r",
        ROTATOR_VAULTS__AUTH__SECRET_ID_FILE=str(tmp_path / "secret-id"),
        ROTATOR_TARGETS__BILLING__APP_ID=APP,
        ROTATOR_TARGETS__BILLING__WRITE_TO__0__MOUNT="kv",
        ROTATOR_TARGETS__BILLING__WRITE_TO__0__PATH="billing/okta",
    )

    auth = settings.orgs["default"].auth
    assert isinstance(auth, SswsAuth)
    assert (auth.token.origin, auth.token.read().reveal()) == ("environment ROTATOR_OKTA__AUTH__TOKEN", CANARY)
    assert isinstance(settings.vaults["default"].auth, AppRoleAuth)
    assert settings.targets[0].consumer == KvPath("kv", "billing/okta")
    assert CANARY not in repr(settings)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("ROTATOR_OCTA__ACME__ORG_URL", "names no section of the configuration; did you mean `okta`?",
                     id="an unknown section"),
        pytest.param("ROTATOR_TARGETS__", "names no key; write it as ROTATOR_SECTION__NAME__KEY", id="no key"),
        pytest.param("ROTATOR_TARGETS__BILLING", "names no key", id="a target alone"),
        pytest.param("ROTATOR_OKTA__ACME__ORG_ULR", "okta.acme.org_ulr: is no key that belongs here; did you mean",
                     id="an unknown key"),
        pytest.param("ROTATOR_OKTA__ACME__ORG_URL", "okta.acme.org_url: is no URL; write `https://` and the host",
                     id="a wrong value"),
        pytest.param("ROTATOR_WEB__X__Y", "names no section of the configuration", id="an early section"),
    ],
)  # fmt: skip
def test_a_variable_that_makes_no_sense_is_named(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, **{name: CANARY})

    assert f"environment {name}: " in str(refused.value)
    assert said in str(refused.value)
    assert CANARY not in str(refused.value)


def test_what_kubernetes_sets_for_a_service_of_our_name_is_left_alone(tmp_path: Path) -> None:
    settings = loaded(tmp_path, ROTATOR_PORT_8321_TCP="tcp://10.0.0.1:8321", ROTATOR_SERVICE_HOST="10.0.0.1")

    assert len(settings.targets) == 1


def test_the_variables_of_the_vendors_are_enough(tmp_path: Path) -> None:
    settings = loaded(tmp_path, BARE, **OKTA, **VAULT, VAULT_NAMESPACE="platform/team")

    okta, vault = settings.orgs["default"].auth, settings.vaults["default"]
    assert isinstance(okta, SswsAuth)
    assert isinstance(vault.auth, TokenAuth)
    assert okta.token.read().reveal() == CANARY
    assert vault.auth.token.read().reveal() == f"v{CANARY}"
    assert vault.namespace == "platform/team"
    assert CANARY not in repr(settings)


def test_a_service_app_comes_from_the_sdk_s_variables(tmp_path: Path) -> None:
    settings = loaded(
        tmp_path,
        BARE,
        **VAULT,
        OKTA_CLIENT_ORGURL="https://acme.okta.com",
        OKTA_CLIENT_CLIENTID="0oaservice",
        OKTA_CLIENT_PRIVATEKEY=f'{{"kty": "RSA", "d": "{CANARY}"}}',
        OKTA_CLIENT_SCOPES="okta.apps.read,okta.apps.manage",
        OKTA_CLIENT_KID="k1",
    )

    auth = settings.orgs["default"].auth
    assert isinstance(auth, PrivateKeyJwtAuth)
    assert (auth.client_id, auth.kid) == ("0oaservice", "k1")
    assert auth.scopes == ("okta.apps.read", "okta.apps.manage")
    assert CANARY in auth.key.read().reveal()


def test_a_private_key_may_be_a_path_as_the_sdk_has_it(tmp_path: Path) -> None:
    save(tmp_path, BARE)
    key = str(tmp_path / "okta-key.pem")

    settings = loaded(
        tmp_path,
        BARE,
        **VAULT,
        OKTA_CLIENT_ORGURL="https://acme.okta.com",
        OKTA_CLIENT_CLIENTID="0oaservice",
        OKTA_CLIENT_PRIVATEKEY=key,
    )

    auth = settings.orgs["default"].auth
    assert isinstance(auth, PrivateKeyJwtAuth)
    assert auth.key.origin == f"file {key}"


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        pytest.param("", SswsAuth, id="a token unless told otherwise"),
        pytest.param("PrivateKey", PrivateKeyJwtAuth, id="a key where the mode says so"),
    ],
)
def test_of_two_credentials_the_sdk_s_choice_is_taken(tmp_path: Path, mode: str, kind: type) -> None:
    both = {"OKTA_CLIENT_PRIVATEKEY": "{}", "OKTA_CLIENT_CLIENTID": "c", "OKTA_CLIENT_AUTHORIZATIONMODE": mode}

    assert isinstance(loaded(tmp_path, BARE, **OKTA, **VAULT, **both).orgs["default"].auth, kind)


def test_the_token_that_vault_s_own_tool_left_is_found(tmp_path: Path) -> None:
    config = save(tmp_path, BARE)
    (tmp_path / ".vault-token").write_text(CANARY)
    (tmp_path / ".vault-token").chmod(0o600)

    settings = load(config, environ={**OKTA, "VAULT_ADDR": "https://vault.example.com"}, home=tmp_path)

    auth = settings.vaults["default"].auth
    assert isinstance(auth, TokenAuth)
    assert auth.token.path == tmp_path / ".vault-token"


def test_what_the_file_says_wins(tmp_path: Path) -> None:
    settings = loaded(tmp_path, **{**OKTA, **VAULT, "VAULT_NAMESPACE": "other"})

    auth = settings.orgs["acme"].auth
    assert isinstance(auth, SswsAuth)
    assert auth.token.origin == f"file {tmp_path}/token"
    assert isinstance(settings.vaults["main"].auth, AppRoleAuth)


def test_an_explicit_nothing_is_not_filled_in(tmp_path: Path) -> None:
    text = changed("8200\n", "8200\n    namespace: null\n")

    assert loaded(tmp_path, text, VAULT_NAMESPACE="other").vaults["main"].namespace is None


def test_a_credential_is_not_sent_to_another_org_than_it_was_made_for(tmp_path: Path) -> None:
    text = changed("    auth: {method: ssws, token_file: token}\n", "")

    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text, OKTA_CLIENT_ORGURL="https://other.okta.com", OKTA_CLIENT_TOKEN=CANARY)

    assert refused.value.problems == (
        f"{tmp_path}/config.yaml:3: okta.acme.org_url: OKTA_CLIENT_ORGURL names another host, so this one is not sent "
        "OKTA_CLIENT_TOKEN; write `auth`, or unset OKTA_CLIENT_ORGURL",
    )


def test_a_token_is_not_sent_to_another_vault_than_it_was_made_for(tmp_path: Path) -> None:
    text = changed("    auth: {method: approle, role_id: rotator, secret_id_file: secret-id}\n", "")

    with pytest.raises(ConfigError, match=r"vaults\.main\.address: VAULT_ADDR names another host"):
        loaded(tmp_path, text, VAULT_ADDR="https://other.example.com", VAULT_TOKEN=CANARY)


def test_with_several_orgs_nothing_is_taken_from_the_sdk_s_variables(tmp_path: Path) -> None:
    text = changed("vaults:", "  beta: {org_url: https://beta.okta.com}\nvaults:").replace(
        "policy", "org: acme\n    policy"
    )

    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text, **OKTA)

    assert refused.value.problems == (f"{tmp_path}/config.yaml:5: okta.beta.auth: is missing; add it",)


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "yes"])
def test_certificates_are_always_checked(tmp_path: Path, value: str) -> None:
    with pytest.raises(ConfigError, match="environment VAULT_SKIP_VERIFY: this program always checks certificates"):
        loaded(tmp_path, VAULT_SKIP_VERIFY=value)


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_not_to_skip_the_check_is_fine(tmp_path: Path, value: str) -> None:
    assert loaded(tmp_path, VAULT_SKIP_VERIFY=value).targets


def test_a_systemd_credential_is_found(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "okta.token").write_text(CANARY)

    settings = loaded(
        tmp_path, changed("token_file: token", "token_file: cred:okta.token"), CREDENTIALS_DIRECTORY=str(credentials)
    )

    auth = settings.orgs["acme"].auth
    assert isinstance(auth, SswsAuth)
    assert (auth.token.origin, auth.token.read().reveal()) == ("credential okta.token", CANARY)


def test_a_systemd_credential_cannot_lead_elsewhere(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no name of a credential"):
        loaded(tmp_path, changed("token_file: token", "token_file: cred:../token"), CREDENTIALS_DIRECTORY=str(tmp_path))


def test_without_anything_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, "")

    assert refused.value.problems == (
        f"{tmp_path}/config.yaml: okta: is missing; add `okta: {{org_url: https://acme.okta.com, …}}`, "
        "or set OKTA_CLIENT_ORGURL",
        f"{tmp_path}/config.yaml: vaults: is missing; add `vaults: {{address: https://vault.example.com:8200, …}}`, "
        "or set VAULT_ADDR",
    )


# --- Without a file ---------------------------------------------------------------------------------------


def test_one_app_and_one_path_are_enough_with_the_environment() -> None:
    settings = fileless(
        APP, "kv/billing/okta", environ={**OKTA, **VAULT}, home=NOBODY, authorization_server="default", scope="a.read"
    )

    (target,) = settings.targets
    assert (target.name, target.app_id, target.consumer) == (APP, APP, KvPath("kv", "billing/okta"))
    assert target.policy.mode is Mode.AUTO
    assert (target.verify.authorization_server, target.verify.scope) == ("default", "a.read")
    assert target.staging == KvPath("secret", f"rotator/staging/acme.okta.com/{APP}")


@pytest.mark.parametrize(
    ("app", "to", "said"),
    [
        pytest.param("billing", "kv/billing", "--app: targets.billing.app_id: is no app id", id="a label"),
        pytest.param(APP, "billing", "--to: ", id="a mount without a path"),
        pytest.param(APP, "kv/../x", "--to: ", id="a path that climbs"),
    ],
)
def test_a_wrong_option_is_named(app: str, to: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        fileless(app, to, environ={**OKTA, **VAULT}, home=NOBODY)

    assert said in str(refused.value)


def test_without_a_file_the_rest_of_the_configuration_may_come_from_variables() -> None:
    settings = fileless(
        APP, "kv/x", environ={**OKTA, **VAULT, "ROTATOR_VAULTS__STAGING__MOUNT": "private"}, home=NOBODY
    )

    assert settings.targets[0].staging.mount == "private"


# --- Which file -------------------------------------------------------------------------------------------


def test_the_named_file_wins_then_the_user_s(tmp_path: Path) -> None:
    named, users = tmp_path / "named", tmp_path / "users" / "rotator"
    for folder, org in ((named, "named"), (users, "users")):
        folder.mkdir(parents=True)
        save(folder, changed("https://acme.okta.com", f"https://{org}.okta.com"))
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "users")}
    both = {**environ, "ROTATOR_CONFIG": str(named / "config.yaml")}

    assert load(environ=environ, home=NOBODY).orgs["acme"].host == "users.okta.com"
    assert load(environ=both, home=NOBODY).orgs["acme"].host == "named.okta.com"
    assert load(users / "config.yaml", environ=both, home=NOBODY).orgs["acme"].host == "users.okta.com"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read (no such file or directory); check the path", id="it is not there"),
        pytest.param(b"okta:\n  x: \xff\n", "config.yaml:2: this is not UTF-8; save the file as UTF-8", id="no UTF-8"),
        pytest.param(b"#" * 1_100_000, "is larger than 1024 KiB; that is no configuration", id="it is huge"),
        pytest.param(b"okta: \x00", "this is no valid YAML; check for control characters", id="control characters"),
    ],
)
def test_a_file_that_cannot_be_read_is_a_clear_error(tmp_path: Path, content: bytes | None, said: str) -> None:
    config = tmp_path / "config.yaml"
    if content is not None:
        config.write_bytes(content)

    with pytest.raises(ConfigError) as refused:
        load(config, environ={}, home=NOBODY)

    assert said in str(refused.value)


def test_a_folder_is_no_configuration(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no plain file"):
        load(tmp_path, environ={}, home=NOBODY)
