"""What the documents say is true: their commands run, their configurations load, their stories end as they tell."""

from __future__ import annotations

import json
import re
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin, get_type_hints

import pytest

from rotator.adapters.web_notifier import WebNotifier
from rotator.adapters.webhook import Way, signed
from rotator.cli.main import COMMANDS
from rotator.core.actions import Block as Why
from rotator.core.notice_text import message_of, trial
from rotator.core.notices import Kind, Notice, Subject
from rotator.core.secret_value import SecretValue
from rotator.sandbox.okta_settings import OktaSettings
from rotator.sandbox.world import Sandbox
from rotator.settings import load
from rotator.settings.yaml_text import parse
from tests.entry.documents import (
    DOCS,
    DOCUMENTS,
    ROOT,
    Block,
    anchor_of,
    blocks_of,
    code_in,
    headings_of,
    links_of,
    prose_of,
    rows_of,
    sections_of,
    text_of,
)
from tests.entry.reader import CONFIG, TARGET, Reader, policy_in
from tests.entry.site import APPS, WRITES
from tests.fakes.okta import ManualClock
from tests.faults import operations, people, scenes
from tests.faults.ports import Fault
from tests.faults.story import Story, replay, tell
from tests.receiver import receiving
from tests.sandbox.test_rules import NO_SWITCHES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

README, RECOVERY, ASSUMPTIONS = ROOT / "README.md", DOCS / "recovery.md", DOCS / "assumptions.md"
NOTIFICATIONS = DOCS / "notifications.md"
SHELL = {"sh", "console"}
LANGUAGES = SHELL | {"yaml", "hcl", "ini", "crontab", "bash", "python", "text", ""}
OUTSIDE = ("https://keepachangelog.com/", "https://semver.org/")
UNSPEAKABLE = re.compile(
    r"/work\b|\.\./shared|\bissues?\b|pypi|npmjs|\bregistry\b"  # no path, no host, nothing of how the work is done
    r"|\b(?:AI|helper|assistant)\b|(?<!Vault )(?<!User-)\bAgent\b",
    re.IGNORECASE,
)


def named(document: Path) -> str:
    return str(document.relative_to(ROOT))


def all_blocks(*languages: str) -> list[Block]:
    return [block for each in DOCUMENTS for block in blocks_of(each) if block.language in languages]


@pytest.fixture(scope="module")
def box() -> Iterator[Sandbox]:
    with Sandbox(okta=OktaSettings(limits={"apps": 100_000, "app": 100_000})) as box:
        yield box


@pytest.fixture
def reader(
    box: Sandbox, clean: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    reader = Reader(box, tmp_path, capsys, monkeypatch)
    with reader.around:
        yield reader


# --- Commands -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", sorted({block.document for block in all_blocks(*SHELL)} - {RECOVERY}), ids=named)
def test_the_commands_of_a_document_do_what_it_shows(document: Path, reader: Reader) -> None:
    problems = [problem for block in blocks_of(document) for problem in reader.follow(block)]

    assert problems == []


@pytest.mark.parametrize("section", sorted(sections_of(RECOVERY, 2).keys() - {"Blocked"}))
def test_the_commands_of_the_recovery_do_what_it_shows(section: str, reader: Reader) -> None:
    blocks = blocks_of(RECOVERY, sections_of(RECOVERY, 2)[section])

    assert [problem for block in blocks for problem in reader.follow(block)] == []


@pytest.mark.parametrize("why", [each for each in Why if each is not Why.CONFLICT], ids=lambda why: why.value)
def test_a_blocked_target_is_freed_as_the_recovery_says(why: Why, reader: Reader) -> None:
    blocks = blocks_of(RECOVERY, sections_of(RECOVERY, 3)[why.value])
    assert blocks
    for block in blocks:
        predicament = reader.get_into(*block.value.split(", ", 1))
        assert why.value in reader.run("rotator reconcile" if why is Why.HOOK else "rotator plan").out
        looks_first = block.language == "console"  # at what is wrong, before a person mends it
        if predicament.mend and not looks_first:
            predicament.mend(reader)

        problems = reader.do(block)
        if predicament.mend and looks_first:
            predicament.mend(reader)

        assert problems == []
        freed = reader.run("rotator plan")
        assert (freed.code, why.value in freed.out) == (0, False), freed.out


def test_commands_that_others_run_for_us_exist() -> None:
    named = [name for block in all_blocks("ini", "crontab") for name in re.findall(r"\brotator (\w+)", block.text)]

    assert named
    assert set(named) <= set(COMMANDS)


def test_the_short_policy_is_part_of_the_one_that_ships() -> None:
    (block,) = [block for block in blocks_of(README) if block.language == "hcl"]
    shipped = (ROOT / "deploy" / "vault" / "policy.hcl").read_text()

    assert policy_in(block.text).items() <= policy_in(shipped).items()


def test_a_pass_with_nothing_due_costs_one_call_of_the_small_bucket_and_one_entry_in_the_log(reader: Reader) -> None:
    """As the README says; and it writes nothing."""
    reader.get_into("billing-api", "rotated")
    calls, entries = reader.box.journal.mark(), len(reader.box.okta.org.log.events())

    assert reader.run("rotator reconcile").code == 0

    assert reader.box.journal.count(APPS, since=calls) == 1
    assert reader.box.journal.count(WRITES, since=calls) == 0
    said = [event.kind for event in reader.box.okta.org.log.events()[entries:]]
    assert said == ["app.oauth2.client.read_client_secret"]


def test_the_demo_looks_as_shown() -> None:
    (shown,) = [block for block in blocks_of(README) if block.kind == "demo"]
    lines = (DOCS / "demo.txt").read_text().splitlines()

    assert [line for line in lines if line in shown.text.splitlines()] == shown.text.splitlines()


# --- Configurations -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", all_blocks("yaml"), ids=str)
def test_a_configuration_of_a_document_can_be_used(block: Block, reader: Reader) -> None:
    data = parse(block.text, "a document").data
    if block.kind == "fragment":
        target = TARGET.format(name="portal", app_id="0oa3example3example3", path="portal/okta")
        data = parse(CONFIG + target, "the rest").data | data
    for name in re.findall(r"_file: ([a-z-]+)\b", block.text):
        reader.write(name, "any")

    settings = load(reader.write("config.yaml", json.dumps(data)), environ={}, home=reader.folder)

    assert settings.targets


# --- Notices --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("secret", "age", "spoil", "genuine"),
    [
        (b"the secret", 0, b"", True),
        (b"another", 0, b"", False),
        (b"the secret", 600, b"", False),
        (b"the secret", 0, b" ", False),
    ],
)
async def test_a_notice_is_checked_as_the_document_shows(secret: bytes, age: int, spoil: bytes, genuine: bool) -> None:
    (shown,) = [block for block in all_blocks("python") if block.kind == "check"]
    names: dict[str, Any] = {}
    exec(shown.text, names)
    clock = ManualClock(datetime.now(UTC) - timedelta(seconds=age))
    with receiving() as receiver:
        url, known = SecretValue(receiver.url), SecretValue("the secret")
        notifier = WebNotifier("hook", lambda: url, lambda: known, way=Way(), clock=clock)
        await notifier.send(trial("hook", clock.now()))

    (got,) = receiver.got
    headers = {name.title(): value for name, value in got.headers.items()}

    assert names["genuine"](headers, got.body + spoil, secret) is genuine


def test_every_kind_of_notice_and_every_key_of_one_is_explained() -> None:
    told = sections_of(NOTIFICATIONS, 2)
    one = Notice("id", Kind.BLOCKED, Subject("billing"), datetime.now(UTC), datetime.now(UTC), "detail")
    keys = {code for row in rows_of(told["The webhook"]) for code in code_in(row[0])}
    headers = {*signed(b"", SecretValue("known"), one.at), "Idempotency-Key"}

    assert [code_in(row[0])[0] for row in rows_of(told["What is told"])] == [kind.value for kind in Kind]
    assert keys == {*headers, *message_of([one], one.at).document}


# --- Assumptions ----------------------------------------------------------------------------------------------


def assumed() -> dict[tuple[str, str], str]:
    """Return the results that the document promises, by switch and value."""
    rows = [row for row in rows_of(text_of(ASSUMPTIONS)) if code_in(row[-2])]
    switches = [(switch, code_in(row[-1])[0]) for row in rows for switch in code_in(row[-2])]
    assert len(dict(switches)) == len(switches)
    return {(switch.split("=")[0], switch.split("=")[1]): result for switch, result in switches}


def test_every_doubt_about_okta_is_an_assumption_and_run_the_other_way() -> None:
    hints, usual = get_type_hints(OktaSettings), OktaSettings()
    turned = set()
    for name in {field.name for field in fields(OktaSettings)} - NO_SWITCHES:
        choices = get_args(hints[name]) if get_origin(hints[name]) is Literal else (True, False)
        values = (2.0,) if hints[name] is float else choices
        turned |= {(name, str(value)) for value in values if value != getattr(usual, name)}

    assert set(assumed()) == turned


@pytest.mark.parametrize(
    ("switch", "result"), [pytest.param(switch, ends, id="=".join(switch)) for switch, ends in assumed().items()]
)
def test_the_other_way_round_it_ends_as_the_assumption_says(
    switch: tuple[str, str], result: str, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, value = switch
    kind = type(getattr(OktaSettings(), name))
    reader.get_into("billing-api", "expired")
    monkeypatch.setattr(reader.box.okta.settings, name, value == "True" if kind is bool else kind(value))
    reader.may(view_secrets=name != "without_view_permission")

    ran = reader.run("rotator reconcile -o json")

    assert json.loads(ran.out)["targets"][0]["result"] == result
    works = reader.app.accepted(reader.box.clock.now())
    assert (reader.box.vault.read("kv", reader.path) or {})["client_secret"] in set(works)


def test_an_assumption_stands_in_the_code_that_it_names() -> None:
    missing = []
    for row in rows_of(text_of(ASSUMPTIONS)):
        file = ""
        for code in next((code_in(cell) for cell in row if ".py`" in cell), ("no place",)):
            file = code if code.endswith(".py") else file
            path = ROOT / "rotator" / file
            if not path.is_file() or not (code == file or re.search(rf"\b{code}\b", path.read_text())):
                missing.append((row[0], code))

    assert missing == []


# --- Races ----------------------------------------------------------------------------------------------------


def story_in(text: str) -> Story:
    """Return the story that a document writes as `expired 9:LATER 10:person_rolls_back pass 2:rollback`."""
    scene, *events = text.replace("pass ", "pass:").split()
    pairs = [(int(number), name) for number, name in (event.split(":") for event in events if event[0].isdigit())]
    faults = tuple((number, Fault[name]) for number, name in pairs if name.isupper())
    acts = tuple((number, getattr(people, name)) for number, name in pairs if name.islower())
    ordered = (event.split(":")[1:] for event in events if event.startswith("pass:"))
    orders = tuple((int(number), getattr(operations, name)) for number, name in ordered)
    return Story(getattr(scenes, scene), faults, acts, orders=orders)


@pytest.mark.parametrize("row", rows_of(text_of(DOCS / "races.md")), ids=lambda row: row[-1].strip("`"))
def test_a_race_is_mended_by_the_steps_that_are_told(row: list[str]) -> None:
    story, steps = story_in(code_in(row[-1])[0]), code_in(row[-2])

    told = tell(story)

    assert not told.violations
    assert {race.what for race in told.races} == {"mended"}
    passes = [re.findall(r"\w+", line[line.index("[") : line.index("]")]) for line in told.lines if "[" in line]
    assert any(_in_order(steps, done) for done in passes), replay(story)


def test_a_story_beside_the_table_breaks_no_promise() -> None:
    stories = re.findall(r"Story: `([^`]+)`", text_of(DOCS / "races.md"))

    assert stories
    assert [story for story in stories if tell(story_in(story)).violations] == []


def _in_order(steps: tuple[str, ...], done: list[str]) -> bool:
    rest = iter(done)
    return all(step in rest for step in steps)


# --- All of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    lost = []
    for link in links_of(document):
        file, _, anchor = link.partition("#")
        target = (document.parent / file).resolve() if file else document
        found = link.startswith(OUTSIDE) or target.exists()
        if not found or (anchor and anchor not in {anchor_of(heading) for heading in headings_of(target)}):
            lost.append(link)

    assert lost == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_a_document_speaks_of_the_project_alone(document: Path) -> None:
    assert UNSPEAKABLE.findall(text_of(document)) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_every_block_is_of_a_kind_that_is_looked_at(document: Path) -> None:
    assert {block.language for block in blocks_of(document)} <= LANGUAGES
    assert "```" not in prose_of(document)
