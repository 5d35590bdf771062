"""The documents' tables are complete: what the code has stands in them, and what stands in them the code has."""

from __future__ import annotations

import inspect
import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from rotator.cli import findings
from rotator.cli.demo import TERMINATED
from rotator.cli.lazy import LazyGroup
from rotator.cli.main import COMMANDS, INTERRUPTED, root
from rotator.cli.results import Result
from rotator.core import rotation
from rotator.core.actions import Block, Waiting
from rotator.core.agenda import State
from rotator.core.certification.facts import Fact
from rotator.core.diagnosis.causes import Cause as Diagnosis
from rotator.core.diagnosis.table import Result as Diagnosed
from rotator.core.inventory_risk import Hazard
from rotator.core.last_use import UseOf
from rotator.core.model import FieldNames, ProofLevel, Reason, RotationId, SecretId, Staging, StagingState
from rotator.core.precedence import Cause, Hold, at_most, waits
from rotator.core.preflight import ORG_CHECKS, PLACE_CHECKS, TARGET_CHECKS, VAULT_CHECKS, Check
from rotator.core.preflight_said import Verdict
from rotator.core.records import consumer_fields, staging_fields
from rotator.core.secret_value import SecretValue
from rotator.daemon.health import Health
from rotator.daemon.metrics import Tally, exposition
from rotator.daemon.vitals import Pulse, Vitals
from rotator.errors import RotatorError
from rotator.settings.json_schema import json_schema
from rotator.settings.later import _KEYS, _VALUES
from tests.entry.documents import DOCS, DOCUMENTS, ROOT, code_in, rows_of, sections_of, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.entry.site import Site

README, ARCHITECTURE = ROOT / "README.md", ROOT / "ARCHITECTURE.md"
COMMANDS_MD, CONFIGURATION, RECOVERY = DOCS / "commands.md", DOCS / "configuration.md", DOCS / "recovery.md"
CERTIFY = DOCS / "certify.md"
METRICS, PREFLIGHT, DOCTOR = DOCS / "metrics.md", DOCS / "preflight.md", DOCS / "doctor.md"
DISCOVER = DOCS / "discover.md"
REASON = re.compile(r"\bReason\.([A-Z_]+)")
CODE = {str(path): path.read_text() for path in (ROOT / "rotator").rglob("*.py") if "sandbox" not in path.parts}


def first_codes(text: str) -> set[str]:
    """Return what stands between back-ticks in the first column of the tables."""
    return {code for row in rows_of(text) for code in code_in(row[0])}


# --- Commands -------------------------------------------------------------------------------------------------


def commands(group: click.Group = root, path: str = "rotator") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.load(name) if isinstance(group, LazyGroup) else group.commands[name]
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")
        else:
            yield f"{path} {name}", command


def parameters(command: click.Command) -> dict[tuple[str, ...], str]:
    """Return the names of each parameter, with its default as the documents write it."""
    found = {}
    for each in command.params:
        opts = tuple(each.opts)
        if isinstance(each, click.Argument):
            opts = (each.make_metavar(click.Context(command)).strip("[].").removesuffix("]") + "…" * (each.nargs < 0),)
        told = isinstance(each.default, str | int | float | Path) and not isinstance(each.default, bool)
        found[opts] = str(each.default) if told else ""
    return found


def shown(section: str) -> dict[tuple[str, ...], str]:
    rows = [row for row in rows_of(section) if code_in(row[0]) and code_in(row[0])[0][0] in "-CTFS"]
    return {code_in(row[0]): (*code_in(row[1]), "")[0] for row in rows}


@pytest.mark.parametrize(("path", "command"), [pytest.param(*each, id=each[0]) for each in commands()])
def test_a_command_is_shown_with_its_parameters_and_defaults(path: str, command: click.Command) -> None:
    told, really = shown(sections_of(COMMANDS_MD, 2)[path]), parameters(command)

    assert set(told) == set(really)
    wrong = {names for names, default in told.items() if default != really[names] and (default or really[names] != "0")}
    assert wrong == set()


def test_the_options_before_the_command_are_shown() -> None:
    section = sections_of(COMMANDS_MD, 2)["Options before the command"]
    rows = {code_in(row[0])[0]: row for row in rows_of(section)}

    assert set(rows) == {each.opts[0] for each in root.params} | {"--help"}
    for each in root.params:
        assert str(each.envvar or "ROTATOR_CONFIG") in rows[each.opts[0]][2] or each.opts[0] == "--version"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda each: each.name)
def test_a_command_that_is_named_exists(document: Path) -> None:
    known = {path for path, _ in commands()} | {f"rotator {name}" for name in COMMANDS}
    absent = sections_of(README, 2)["Not in this release"] if document == README else ""
    named = re.findall(r"`(rotator [a-z]+(?: (?:validate|show|schema|init))?)\b", text_of(document).replace(absent, ""))

    assert set(named) <= known


def test_what_is_not_in_this_release_is_not() -> None:
    schema = json_schema()
    known = {path for path, _ in commands()} | set(COMMANDS)
    known |= {key.rpartition(".")[2] for key, _ in keys(schema, "", schema)}

    assert known & set(code_in(sections_of(README, 2)["Not in this release"])) == set()


def exit_codes() -> set[int]:
    kinds = [RotatorError]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return {0, 3, INTERRUPTED, TERMINATED} | {kind.exit_code for kind in kinds}


def test_every_exit_code_is_explained() -> None:
    for document in (README, COMMANDS_MD):
        told = {int(code) for row in rows_of(sections_of(document, 2)["Exit codes"]) for code in row[0].split(", ")}
        assert told == exit_codes()


def test_every_word_of_a_result_is_explained() -> None:
    section = sections_of(COMMANDS_MD, 2)["What the words of the results mean"]

    assert first_codes(section) == {each.value for each in Result}


def test_every_state_and_every_proof_is_explained() -> None:
    words = set(re.findall(r'return "(\w+)"|"(\w+)" if|else "(\w+)"', inspect.getsource(findings._state)))
    states = {word for each in words for word in each if word}
    begun = {Reason[name].value for path, text in CODE.items() if "/core/" in path for name in REASON.findall(text)}
    status, verify = (sections_of(COMMANDS_MD, 2)[f"rotator {name}"] for name in ("status", "verify"))

    assert first_codes(status) - {"TARGET…", "--daemon", "--cached", "--config", "--output", "-o"} == states | begun
    assert first_codes(verify) >= {level.value for level in ProofLevel}


def test_the_keys_of_the_json_are_those_that_are_told(site: Site) -> None:
    site.add()
    passes, status, verify = re.split("`status` has|`verify` has", sections_of(COMMANDS_MD, 2)["JSON"])

    assert first_codes(passes) == set(site.run("rotate", "billing", "-o", "json").target())
    assert first_codes(status) == set(site.run("status", "-o", "json").target())
    assert first_codes(verify) == set(site.run("verify", "-o", "json").target())
    assert set(site.run("plan", "-o", "json").json()) == {"version", "command", "exit_code", "targets"}


def test_what_goes_before_what_is_as_in_the_code() -> None:
    def cell(cause: Cause, hold: Hold) -> str:
        if not waits(cause, hold):
            return "-"
        return {None: "waits", timedelta(days=1): "a day at most"}[at_most(cause, hold)]

    section = sections_of(COMMANDS_MD, 3)["What goes before what"]
    (head,) = [line for line in section.splitlines() if line.startswith("| reason")]

    assert [name.strip() for name in head.split("|")[2:-1]] == [hold.value for hold in Hold]
    assert rows_of(section) == [[cause.value, *(cell(cause, hold) for hold in Hold)] for cause in reversed(Cause)]


# --- Pre-flight ------------------------------------------------------------------------------------------------


def test_every_check_of_the_preflight_is_explained_in_its_order() -> None:
    rows = rows_of(sections_of(PREFLIGHT, 2)["Checks"])
    kinds = {"of ours": PLACE_CHECKS, "an org": ORG_CHECKS, "a Vault": VAULT_CHECKS, "a target": TARGET_CHECKS}

    assert [code_in(row[0])[0] for row in rows] == [check.value for check in Check]
    for row in rows:
        of = {check.value for check, _ in next(checks for words, checks in kinds.items() if row[1].endswith(words))}
        assert code_in(row[0])[0] in of


def test_every_verdict_of_the_preflight_is_explained() -> None:
    before, _, _ = text_of(PREFLIGHT).partition("## Checks")

    assert first_codes(before) == {verdict.value for verdict in Verdict}


def test_the_keys_of_the_preflights_json_are_those_that_are_told(site: Site) -> None:
    site.add()
    told = sections_of(COMMANDS_MD, 3)["The pre-flight"].partition("In JSON: ")[2]
    document = site.run("doctor", "--preflight", "-o", "json").json()

    kinds = {each["kind"] for each in document["findings"]}
    assert set(code_in(told)) == {*document, *document["findings"][0], *kinds}


# --- What is certified -----------------------------------------------------------------------------------------


def test_every_fact_that_is_certified_is_shown_in_its_order() -> None:
    rows = rows_of(sections_of(CERTIFY, 2)["The facts"])

    assert [code_in(row[0])[0] for row in rows] == [fact.value for fact in Fact]


def test_every_fact_that_is_certified_is_an_assumption() -> None:
    named = [code for row in rows_of(text_of(DOCS / "assumptions.md")) for code in code_in(row[-3])]

    assert set(named) == {fact.value for fact in Fact}


def test_the_keys_of_its_json_are_those_that_are_told(site: Site) -> None:
    site.add()
    told = sections_of(COMMANDS_MD, 2)["rotator certify"].partition("In JSON:")[2]
    document = site.run("certify", "--yes", "-o", "json").json()

    assert set(code_in(told)) == {*document, *document["facts"][0]}


# --- The doctor -----------------------------------------------------------------------------------------------


def test_every_cause_is_shown_in_its_words_and_its_order() -> None:
    rows = rows_of(sections_of(DOCTOR, 2)["Causes"])

    assert [code_in(row[0])[0] for row in rows] == [cause.value for cause in Diagnosis]
    assert all(shows and mends for _, shows, mends in rows)
    assert f"It knows {len(Diagnosis)} causes" in " ".join(text_of(README).split())


def test_every_result_of_the_doctor_is_explained() -> None:
    assert first_codes(sections_of(DOCTOR, 2)["Results"]) == {each.value for each in Diagnosed}


def test_the_keys_of_a_diagnosis_are_those_that_are_told(site: Site) -> None:
    site.add()

    client = site.run("doctor", "billing", "-o", "json").json()["client"]

    assert first_codes(sections_of(DOCTOR, 2)["JSON"]) == set(client)


# --- The inventory --------------------------------------------------------------------------------------------


def test_everything_that_is_held_against_an_app_is_explained() -> None:
    section = sections_of(DISCOVER, 2)["What is held against an app"]

    assert [code_in(row[0])[0] for row in rows_of(section)] == [each.value for each in Hazard]


def test_the_keys_of_an_inventory_are_those_that_are_told(site: Site) -> None:
    site.add()
    told = {code_in(row[0])[0]: set(code_in(row[1])) for row in rows_of(sections_of(DISCOVER, 2)["JSON and CSV"])}

    document = site.run("discover", "--yes", "-o", "json").json()
    (app,) = document["apps"]

    assert document.keys() == {"version", "command", "exit_code", "at", "orgs", "apps"}
    assert told["orgs"] == document["orgs"][0].keys()
    assert told["apps"] == app.keys()
    assert told["secrets"] - {each.value for each in UseOf} == app["secrets"][0].keys()
    assert told["risk"] == {*app["risk"], *app["risk"]["reasons"][0]}


# --- Recovery -------------------------------------------------------------------------------------------------


def test_every_reason_to_wait_or_to_be_blocked_has_its_remedy() -> None:
    blocked = {why.value for why in Block}
    count = re.search(r"There are (\d+) such reasons", text_of(README))

    assert set(sections_of(RECOVERY, 3)) == blocked
    assert count
    assert int(count[1]) == len(blocked)
    assert first_codes(sections_of(RECOVERY, 2)["What it may wait for"]) == {why.value for why in Waiting}


# --- Configuration --------------------------------------------------------------------------------------------


def written(default: Any) -> str:
    if isinstance(default, list):
        return " ".join(f"`{each}`" for each in default)
    if default is None or isinstance(default, dict):
        return ""
    return f"`{json.dumps(default) if isinstance(default, bool) else default}`"


def keys(node: dict[str, Any], path: str, schema: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every key below a node of the schema, as the documents write it, with its default."""
    if "$ref" in node:
        node = schema["$defs"][node["$ref"].rpartition("/")[2]]
    for each in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        yield from keys(each, path, schema)
    if node.get("type") == "array":
        yield from keys(node["items"], f"{path}[]", schema)
    if isinstance(below := node.get("additionalProperties"), dict):
        yield from keys(below, f"{path}.<{'alias' if path in {'okta', 'vaults'} else 'name'}>", schema)
    for below in node.get("patternProperties", {}).values():
        yield from keys(below, f"{path}.<{'app_id' if path.endswith('overrides') else 'name'}>", schema)
    for name, each in node.get("properties", {}).items():
        key = f"{path}.{name}".lstrip(".")
        yield key, written(each.get("default"))
        yield from keys(each, key, schema)


def test_every_key_is_shown_with_its_default() -> None:
    schema = json_schema()
    really = {(key, default) for key, default in keys(schema, "", schema) if re.search(r"[.>]", key)}
    short = {(key, default) for key, default in really if re.match(r"(okta|vaults)\.(?!<)", key)}  # without alias
    before = text_of(CONFIGURATION).partition("## Known, and refused")[0]
    nameless = r"[.]<|(?:limits|state|health|control|notify|heartbeat)[.]"
    told = {(code_in(row[0])[0], row[1]) for row in rows_of(before) if re.search(nameless, row[0])}

    assert told == really - short


def refused_keys() -> set[str]:
    return {".".join(_placeholder(key, number) for number, _ in enumerate(key)) for key in _KEYS}


def _placeholder(key: tuple[str | int, ...], number: int) -> str:
    if key[number] != "*":
        return str(key[number])
    return "<alias>" if key[0] in {"okta", "vaults"} else "<name>"


def test_what_is_known_and_refused_is_told() -> None:
    section = sections_of(CONFIGURATION, 2)["Known, and refused in this release"]
    values = {value for _, refused in _VALUES for value in refused}

    assert first_codes(section) == refused_keys() | values


def test_every_variable_of_the_environment_is_explained() -> None:
    table = sections_of(CONFIGURATION, 2)["Environment"]
    quoted = re.compile(
        r'"((?:ROTATOR|OKTA_CLIENT|VAULT|XDG|STATE|RUNTIME|CREDENTIALS|NOTIFY|WATCHDOG)_[A-Z_]*[A-Z]|HOME|NO_COLOR|FORCE_COLOR)"'
    )
    really = {name for text in CODE.values() for name in quoted.findall(text)}

    assert first_codes(table) - {"ROTATOR_…__…"} == really


# --- The daemon -----------------------------------------------------------------------------------------------


def test_every_page_metric_and_state_of_the_daemon_is_explained() -> None:
    vitals = Vitals(Pulse(datetime.now(UTC), timedelta(seconds=30)))
    pages = "".join(Health(vitals, Tally(), dict).answer("GET", "/").lines)
    families = re.findall(r"# TYPE (\w+)", "".join(exposition(vitals, Tally(), {})))
    labels = re.findall(r'[{ ]"(\w+)": ', CODE[str(ROOT / "rotator" / "daemon" / "metrics.py")])
    answers, metrics, states = re.split(r"\| metric \||\| state of a target \|", text_of(METRICS))

    assert first_codes(answers) == set(re.findall(r"/\w+", pages))
    assert first_codes(metrics) == set(families)
    assert {label for row in rows_of(metrics) for label in code_in(row[1])} == set(labels)
    assert first_codes(states) == {state.value for state in State}


# --- Architecture ---------------------------------------------------------------------------------------------


def test_the_rows_of_the_table_are_those_of_the_code_in_its_order() -> None:
    rows = rows_of(sections_of(ARCHITECTURE, 2)["The decision table"])
    numbers = [int(row[0]) for row in rows if row[0]]

    assert [code_in(row[1])[0] for row in rows] == [row.__name__ for row in (*rotation.ROWS, rotation.rest)]
    assert numbers == list(range(1, 17))


def test_the_layers_are_those_that_are_checked() -> None:
    (block,) = re.findall(r"```\n(rotator.*?)```", text_of(ARCHITECTURE), re.DOTALL)
    told = [" ".join(line.split("  ")[0].split()) for line in block.splitlines()]
    contract = (ROOT / "pyproject.toml").read_text().partition('type = "layers"')[2].partition("]")[0]

    assert told == [layer for layer in re.findall(r'"([^"]+)"', contract) if layer != "rotator.__main__"]


def test_the_fields_in_vault_are_those_that_are_written() -> None:
    consumers, staging = sections_of(ARCHITECTURE, 2)["What lies in Vault"].split("**Staging path**")
    value, now = SecretValue("x" * 64), datetime.now(UTC)
    ours = consumer_fields(
        None, FieldNames(), client_id="0oa1", value=value, secret_id=SecretId("ocs1"),
        rotation_id=RotationId("r"), rotated_at=now, retiring=None,
    )  # fmt: skip

    assert set(code_in(consumers)) - {"overlap", "now"} == set(ours)
    states = {state.value for state in StagingState}
    layout = {"<mount>/<prefix>/<org host>/<app id>"}
    assert set(code_in(staging)) - states - layout == set(staging_fields(Staging(value=value)))
