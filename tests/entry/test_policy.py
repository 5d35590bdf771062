"""`rotator policy`: the least rights, printed for a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rotator.sandbox.world import Sandbox
    from tests.entry.site import Ran, Site


@pytest.fixture(autouse=True)
def nobody_is_asked(box: Sandbox) -> Iterator[None]:
    yield
    assert box.journal.count() == 0


def printed(site: Site, *args: str) -> Ran:
    return site.run_bare("policy", *args, "--config", str(site.config))


def two_of_each(site: Site) -> None:
    okta, auth = (
        {"org_url": site.box.okta_url, "auth": site.okta_auth},
        {"method": "token", "token_file": "vault-token"},
    )
    main = {"address": site.box.vault_url, "auth": auth, "staging": {"mount": "secret", "prefix": "rotator/staging"}}
    other = main | {"namespace": "team", "staging": {"mount": "kv", "prefix": "waiting"}}
    site.extra = {"okta": {"acme": okta, "beta": okta}, "vaults": {"main": main, "other": other}}
    for name, org, vault in (("billing", "acme", "main"), ("portal", "beta", "other")):
        site.add(name)
        site.targets[name] |= {"org": org, "vault": vault}


def test_a_policy_names_the_paths_of_the_targets_and_the_staging_prefix(site: Site) -> None:
    site.add("billing")
    site.add("portal")

    ran = printed(site, "vault")

    rules = [line for line in ran.out.splitlines() if line.startswith("path")]
    assert ran.code == 0
    assert rules[:4] == [
        'path "secret/data/billing/okta" { capabilities = ["create", "read", "update"] }',
        'path "secret/metadata/billing/okta" { capabilities = ["read"] }',
        'path "secret/data/portal/okta" { capabilities = ["create", "read", "update"] }',
        'path "secret/metadata/portal/okta" { capabilities = ["read"] }',
    ]
    assert 'path "secret/destroy/rotator/staging/*" { capabilities = ["update"] }' in rules
    assert len(rules) == len(set(rules)) == 11


def test_every_path_of_a_target_and_of_a_selection_is_in_the_policy(site: Site) -> None:
    site.add("billing")
    site.targets["billing"]["write_to"].append({"mount": "kv", "path": "reports/okta"})
    places = [{"mount": "kv", "path": path} for path in ("apps/{app_id}/okta", "more/{client_id}")]
    site.selections = {"svc": {"where": {"label": "svc-*"}, "write_to": places}}

    ran = printed(site, "vault")

    assert ran.code == 0
    for place in ("secret/{}/billing/okta", "kv/{}/reports/okta", "kv/{}/apps/+/okta", "kv/{}/more/+"):
        assert f'path "{place.format("data")}" {{ capabilities = ["create", "read", "update"] }}' in ran.out
        assert f'path "{place.format("metadata")}" {{ capabilities = ["read"] }}' in ran.out


def test_a_selection_is_a_pattern_with_one_segment_for_each_id(site: Site) -> None:
    site.selections = {
        name: {"where": {"label": f"{name}-*"}, "write_to": [{"mount": "kv", "path": path}]}
        for name, path in (("svc", "apps/{app_id}/okta"), ("partner", "partners/okta-{client_id}"))
    }
    ran = printed(site, "vault")

    assert ran.code == 0
    for place in ("apps/+/okta", "partners/+"):
        assert f'path "kv/data/{place}" {{ capabilities = ["create", "read", "update"] }}' in ran.out
        assert f'path "kv/metadata/{place}" {{ capabilities = ["read"] }}' in ran.out


def test_a_policy_is_for_one_vault_and_its_targets(site: Site) -> None:
    two_of_each(site)

    ran = printed(site, "vault", "--vault", "other")

    assert ran.code == 0
    assert "secret/data/portal/okta" in ran.out
    assert "kv/data/waiting/*" in ran.out
    assert "billing" not in ran.out
    assert ", in its namespace team." in ran.out


@pytest.mark.parametrize(
    ("args", "told"),
    [
        pytest.param(("vault",), "choose the Vault with --vault: `main`, `other`", id="no Vault"),
        pytest.param(("vault", "--vault", "mian"), "no Vault 'mian'; choose one of `main`, `other`", id="a wrong one"),
        pytest.param(("okta",), "choose the org with --org: `acme`, `beta`", id="no org"),
        pytest.param(("okta", "--org", "x"), "no org 'x'", id="a wrong org"),
    ],
)
def test_where_there_are_several_one_is_chosen(site: Site, args: tuple[str, ...], told: str) -> None:
    two_of_each(site)

    ran = printed(site, *args)

    assert (ran.code, ran.out) == (2, "")
    assert told in ran.err


def test_the_okta_guide_names_the_apps_and_our_service_app(site: Site) -> None:
    app, other = site.add("billing"), site.box.okta.add_app("not ours")
    site.okta_auth = {"method": "private_key_jwt", "client_id": "0oa1ours", "key_file": "okta-token"}

    ran = printed(site, "okta")

    assert ran.code == 0
    assert f"org={site.box.okta_url} client=0oa1ours" in ran.out
    assert f"$org/api/v1/apps/{app.id}" in ran.out
    assert other.id not in ran.out
    assert "okta.apps.clientCredentials.read" in ran.out


def test_the_okta_guide_is_printed_for_an_api_token_too(site: Site) -> None:
    site.add()

    ran = printed(site, "okta")

    assert (ran.code, site.secrets_in(ran.out)) == (0, [])
    assert "client='0oa…'" in ran.out


def test_what_is_printed_for_a_shell_is_quoted(site: Site) -> None:
    site.add()
    site.okta_auth = {"method": "private_key_jwt", "client_id": "0oa1$(reboot)", "key_file": "okta-token"}

    ran = printed(site, "okta")

    assert f"org={site.box.okta_url} client='0oa1$(reboot)'\n" in ran.out


def test_without_a_target_there_is_still_a_policy_for_staging(site: Site) -> None:
    ran = printed(site, "vault")

    assert ran.code == 0
    assert "For 0 targets and 0 selections" in ran.out
    assert "What consumers read" not in ran.out
    assert 'path "secret/destroy/rotator/staging/*" { capabilities = ["update"] }' in ran.out
