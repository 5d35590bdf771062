"""Whatever is in the file: settings or a `ConfigError`, soon, and no secret in its text."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rotator.errors import ConfigError
from rotator.settings import load
from rotator.settings.schema import Configuration
from rotator.settings.yaml_text import parse
from tests.hostile.mutation import TIMES, mutated, written
from tests.settings.files import CANARY, GOOD, NOBODY, save

CONFIG = Path(__file__).parents[2] / "config"
# The folder of a test is shared by its examples; each writes the same file anew.
FINE = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
FUZZED = settings(max_examples=150, deadline=None, suppress_health_check=FINE)
SOON = 1.0  # seconds
RAW = re.compile("[\udc80-\udcff]")  # bytes that are no UTF-8


def known_keys() -> list[str]:
    schema = Configuration.model_json_schema()
    return sorted({key for part in (schema, *schema["$defs"].values()) for key in part["properties"]})


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=12),
    st.sampled_from([CANARY, "90d", "0d", "https://acme.okta.com", "ssws", "prod", "env:HOME", "cred:x", "kv", ".."]),
)
keys = st.one_of(st.sampled_from([*known_keys(), "acme", "prod", "selections", "max"]), st.text(max_size=8))
trees = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=5)),
    max_leaves=25,
)


def survive(folder: Path, text: str) -> None:
    """Load the text and check what is promised of any."""
    config = folder / "config.yaml"
    config.write_bytes(text.encode("utf-8", "surrogatepass" if RAW.search(text) is None else "surrogateescape"))
    problems: tuple[str, ...] = ()
    began = time.process_time()
    try:
        load(config, environ={}, home=NOBODY)
    except ConfigError as refused:
        problems = refused.problems or ("a refusal without a reason",)
    assert time.process_time() - began < SOON
    assert [each for each in problems if CANARY in each or not each.startswith(str(config))] == []


@FUZZED
@given(tree=st.dictionaries(keys, trees, max_size=6))
def test_any_tree_is_settings_or_a_clear_error(tmp_path: Path, tree: dict[str, Any]) -> None:
    survive(tmp_path, json.dumps(tree))


@FUZZED
@given(text=st.text(alphabet=st.sampled_from(list("abokta: {}[]-&*!|>'\"%@`#,?\n\t\\~<0.9")), max_size=200))
def test_any_text_is_settings_or_a_clear_error(tmp_path: Path, text: str) -> None:
    survive(tmp_path, text)


@FUZZED
@given(text=st.text(max_size=100))
def test_any_characters_are_settings_or_a_clear_error(tmp_path: Path, text: str) -> None:
    survive(tmp_path, text)


@pytest.mark.parametrize("example", [pytest.param(file, id=file.stem) for file in sorted(CONFIG.glob("*.yaml"))])
def test_an_example_with_anything_in_it_changed_is_settings_or_a_clear_error(tmp_path: Path, example: Path) -> None:
    save(tmp_path, "")
    true = parse(example.read_text(encoding="utf-8"), str(example)).data
    for seed in range(40 * TIMES):
        rng = Random(f"{example.stem} {seed}")
        survive(tmp_path, written(rng, mutated(rng, true)).decode("utf-8", "surrogateescape"))


@FUZZED
@given(data=st.data())
def test_a_secret_pasted_anywhere_is_not_repeated(tmp_path: Path, data: st.DataObject) -> None:
    save(tmp_path, GOOD)
    at = data.draw(st.integers(0, len(GOOD)))
    drop = data.draw(st.integers(0, 12))
    around = data.draw(st.sampled_from(["", " ", "'", '"', ": ", "\n", "*", "&", "!", "- ", "{", "}"]))

    survive(tmp_path, f"{GOOD[:at]}{around}{CANARY}{around}{GOOD[at + drop :]}")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a: &a [x, x]\n" + "".join(f"{b}: &{b} [*{a}, *{a}]\n" for a, b in zip("abcdefgh", "bcdefghi",
                     strict=True)) + "\n".join(f"z{n}: [{', '.join(['*i'] * 50)}]" for n in range(20)),
                     id="aliases of aliases"),
        pytest.param("a: &a " + "x" * 1000 + "\n" + "b: [" + "*a, " * 2000 + "]", id="thousands of aliases"),
        pytest.param("[" * 100_000, id="brackets without end"),
        pytest.param("a: " + "9" * 100_000, id="a number without end"),
        pytest.param("- " * 50_000, id="lists without end"),
        pytest.param("targets: {" + ", ".join(f"t{n}: " for n in range(2000)) + "}", id="thousands of empty targets"),
    ],
)  # fmt: skip
def test_a_bomb_is_refused_soon(tmp_path: Path, text: str) -> None:
    survive(tmp_path, text)


visible = st.text(alphabet=st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=8)
visible_trees = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), visible),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(visible, inner, max_size=4)),
    max_leaves=12,
)


@FUZZED
@given(tree=st.dictionaries(visible, visible_trees, max_size=4))
def test_json_is_read_as_json_reads_it(tree: dict[str, Any]) -> None:
    document = parse(json.dumps(tree, ensure_ascii=False), "config.yaml")

    assert document.problems == []
    assert document.data == _as_yaml_12(tree)


def _as_yaml_12(value: Any) -> Any:
    """Numbers beyond a setting's sense stay text."""
    if isinstance(value, dict):
        return {key: _as_yaml_12(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_as_yaml_12(each) for each in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**18:
        return str(value)
    return value
