"""The schema that editors read, and the examples that ship."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import certifi
import pytest
from jsonschema import Draft202012Validator

from rotator.settings import load
from rotator.settings.json_schema import json_schema, json_schema_text
from rotator.settings.starter import STARTER
from rotator.settings.yaml_text import parse
from tests.settings.files import GOOD, NOBODY, changed, save, selecting

CONFIG = Path(__file__).parents[2] / "config"
EXAMPLE = CONFIG / "rotator.yaml"


def complaints(text: str) -> list[Any]:
    return list(Draft202012Validator(json_schema()).iter_errors(parse(text, "config.yaml").data))


def test_the_shipped_schema_is_the_one_that_the_code_makes() -> None:
    # If this fails: rotator config schema > config/rotator.schema.json
    assert (CONFIG / "rotator.schema.json").read_text(encoding="utf-8") == json_schema_text()


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize(
    "text", [pytest.param(GOOD, id="aliases"), pytest.param(EXAMPLE.read_text(encoding="utf-8"), id="the example"),
             pytest.param(STARTER, id="the starter, without aliases"),
             pytest.param("targets: {}", id="the rest from the environment")]
)  # fmt: skip
def test_what_we_take_the_schema_takes(text: str) -> None:
    assert complaints(text) == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(changed("policy: prod", "polcy: prod"), id="a misspelt key"),
        pytest.param(changed("mode: auto", "mode: automatic"), id="an unknown mode"),
        pytest.param(changed("rotate_after: 90d", "rotate_after: 90"), id="a duration without a unit"),
        pytest.param(changed("https://acme.okta.com", "acme.okta.com"), id="an address without a scheme"),
        pytest.param(changed("0oa1example1example1", "billing"), id="a label for an app id"),
        pytest.param(GOOD + "web: {}\n", id="a key of a later release"),
        pytest.param(selecting(path="apps/okta"), id="one path for many apps"),
        pytest.param(selecting(path="apps/{label}"), id="a path from a label"),
        pytest.param(GOOD + "health: {listen: ':8321'}\n", id="an address to listen on without the address"),
    ],
)
def test_what_we_refuse_an_editor_marks(text: str) -> None:
    assert complaints(text)


def test_every_key_is_described() -> None:
    schema = json_schema()

    undescribed = [
        f"{name}.{key}"
        for name, section in schema["$defs"].items()
        for key, value in section["properties"].items()
        if "description" not in value and key not in {"method", "days", "client_id", "client_secret"}
    ]

    assert undescribed == []


def test_the_example_is_valid_and_shows_every_key(tmp_path: Path) -> None:
    config = save(tmp_path, EXAMPLE.read_text(encoding="utf-8"))
    shutil.copy(certifi.where(), tmp_path / "vault-ca.pem")

    settings = load(config, environ={}, home=NOBODY)

    assert settings.warnings == ()
    assert [target.name for target in settings.targets] == ["billing-api", "portal"]
    text = config.read_text(encoding="utf-8")
    missing = {
        key for section in json_schema()["$defs"].values() for key in section["properties"] if f"{key}:" not in text
    }
    assert missing == {"role_id_file"}
    assert "role_id_file" in text


def test_the_first_line_leads_editors_to_the_schema() -> None:
    for text in (EXAMPLE.read_text(encoding="utf-8"), STARTER):
        assert text.splitlines()[0] == "# yaml-language-server: $schema=./rotator.schema.json"
