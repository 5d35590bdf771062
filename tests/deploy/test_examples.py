"""The example configurations: each is whole, valid, and about what it says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from jsonschema import Draft202012Validator

from rotator.core.admission import Limits
from rotator.core.model import Mode
from rotator.core.selection import Newcomers
from rotator.settings import (
    AppRoleAuth,
    JwtAuth,
    KubernetesAuth,
    Listen,
    PrivateKeyJwtAuth,
    SswsAuth,
    TokenAuth,
)
from rotator.settings.json_schema import json_schema
from rotator.settings.yaml_text import parse
from tests.deploy.places import CONFIG, EXAMPLES, loaded

if TYPE_CHECKING:
    from pathlib import Path

KEY, TOKEN = PrivateKeyJwtAuth, SswsAuth


@pytest.mark.parametrize(
    ("name", "okta", "vault", "targets", "listen"),
    [
        ("ci.yaml", {"default": KEY}, {"default": JwtAuth}, 1, None),
        ("kubernetes.yaml", {"acme": KEY}, {"cluster": KubernetesAuth}, 2, Listen("0.0.0.0", 8321)),
        ("small-team.yaml", {"default": TOKEN}, {"default": TokenAuth}, 3, None),
        ("systemd.yaml", {"acme": KEY}, {"main": AppRoleAuth}, 2, Listen("127.0.0.1", 8321)),
        (
            "two-orgs.yaml",
            {"preview": KEY, "production": KEY},
            {"preview": AppRoleAuth, "production": AppRoleAuth},
            1,
            Listen("127.0.0.1", 8321),
        ),
    ],
)
def test_an_example_can_be_used_once_what_it_names_is_there(
    tmp_path: Path, name: str, okta: dict[str, type], vault: dict[str, type], targets: int, listen: Listen | None
) -> None:
    settings = loaded(CONFIG / name, tmp_path)

    assert settings.warnings == ()
    assert {alias: type(org.auth) for alias, org in settings.orgs.items()} == okta
    assert {alias: type(each.auth) for alias, each in settings.vaults.items()} == vault
    assert len(settings.targets) == targets
    assert settings.health == listen
    assert all(target.policy.mode is not Mode.OBSERVE for target in settings.targets)


def test_every_example_is_looked_at() -> None:
    assert [path.name for path in EXAMPLES] == [
        "ci.yaml",
        "kubernetes.yaml",
        "small-team.yaml",
        "systemd.yaml",
        "two-orgs.yaml",
    ]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_editor_takes_an_example(example: Path) -> None:
    text = example.read_text(encoding="utf-8")

    assert text.startswith("# yaml-language-server: $schema=./rotator.schema.json\n#\n# ")
    assert list(Draft202012Validator(json_schema()).iter_errors(parse(text, example.name).data)) == []


def test_two_orgs_share_nothing(tmp_path: Path) -> None:
    settings = loaded(CONFIG / "two-orgs.yaml", tmp_path)
    first, second = settings.selections

    assert (first.target.org, first.target.vault) != (second.target.org, second.target.vault)
    assert first.target.consumer == second.target.consumer
    assert first.label == second.label
    assert (first.newcomers, second.newcomers) == (Newcomers.POLICY, Newcomers.OBSERVE)
    assert {vault.namespace for vault in settings.vaults.values()} == {"platform/preview", "platform/production"}


def test_two_thousand_apps_do_not_begin_at_once(tmp_path: Path) -> None:
    settings = loaded(CONFIG / "two-orgs.yaml", tmp_path)
    preview, production = (each.target.policy for each in settings.selections)

    assert settings.selections[1].max_matches == 2000
    assert production.backlog_spread
    assert production.wave
    per_day = 2000 / production.backlog_spread.days
    waves_a_day = timedelta(hours=8) * 4 / 7 / production.wave.spacing  # in its windows
    assert per_day < waves_a_day * production.wave.size, "the backlog goes faster than it comes"
    assert production.calendar.blackouts
    assert preview.wave is None
    assert not production.calendar.is_open(datetime(2026, 12, 22, 12, tzinfo=UTC))
    assert settings.limits == Limits(urgent_at_once=10, urgent_share=0.01, failures=4)


@pytest.mark.parametrize(
    ("name", "shared", "named"),
    [
        pytest.param("kubernetes.yaml", True, True, id="pods share a PostgreSQL"),
        pytest.param("systemd.yaml", False, True, id="daemon and timer share a file"),
        pytest.param("two-orgs.yaml", False, False, id="a daemon makes its own"),
        pytest.param("small-team.yaml", False, False, id="cron needs none"),
        pytest.param("ci.yaml", False, False, id="nothing is kept between two runs of a pipeline"),
    ],
)
def test_the_state_lies_where_whoever_needs_it_finds_it(tmp_path: Path, name: str, shared: bool, named: bool) -> None:
    settings = loaded(CONFIG / name, tmp_path)

    assert (settings.state.shared, settings.state.named) == (shared, named)
    assert settings.several == shared


def test_the_proxy_is_for_okta_alone(tmp_path: Path) -> None:
    settings = loaded(CONFIG / "systemd.yaml", tmp_path)

    assert settings.orgs["acme"].proxy == "http://proxy.corp.example:3128"
    assert settings.vaults["main"].proxy is None
    assert settings.orgs["acme"].ca_file is None
    assert settings.vaults["main"].ca_file == tmp_path / "vault-ca.pem"


def test_a_pipeline_begins_nothing_that_nobody_asked_for(tmp_path: Path) -> None:
    settings = loaded(CONFIG / "ci.yaml", tmp_path)

    assert {target.policy.mode for target in settings.targets} == {Mode.MANUAL}
