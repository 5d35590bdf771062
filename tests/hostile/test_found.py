"""What bad input once broke, each as it was found."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.notebook import FileNotebook
from rotator.adapters.okta_key import key_in_pem
from rotator.core.model import KvVersion
from rotator.core.records import UnreadableRecordError, read_staging
from rotator.core.secret_value import SecretFields, SecretValue
from rotator.errors import ConfigError, RotatorError
from rotator.redaction import REDACTED, Redactor
from rotator.sandbox.faults import Reply
from rotator.sandbox.journal import Wanted
from tests.contract.test_notebook import PLACE, holding
from tests.fakes.okta import NOON
from tests.settings.files import changed, loaded

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rotator.sandbox.faults import Verdict
    from rotator.sandbox.http import Response
    from rotator.sandbox.journal import Call
    from tests.entry.site import Site

NEST = "[" * 100_000
HALF = "\ud800"
FIRST_DAY, LAST_DAY = "Mon, 01 Jan 0001 00:00:00 +2359", "Fri, 31 Dec 9999 23:59:59 -2359"


def test_half_a_character_is_a_value_that_is_compared_and_hashed() -> None:
    value = SecretValue(HALF)

    assert len(value.hash) == 22
    assert (value == SecretValue(HALF), value == SecretValue("x")) == (True, False)


class Altered:
    """The true answer with one thing in it changed."""

    name = "altered"

    def __init__(self, change: Callable[[Response], Response]) -> None:
        self._change = change

    async def __call__(self, _call: Call, reply: Reply | None) -> Verdict:
        assert reply
        return Reply(self._change(reply.response))


def dated(date: str) -> Altered:
    def change(true: Response) -> Response:
        heads = [head for head in true.headers if head[0].lower() != "date"]
        return replace(true, headers=(*heads, ("Date", date)))

    return Altered(change)


@pytest.mark.parametrize("service", ["okta", "vault"])
@pytest.mark.parametrize("command", ["reconcile", "status", "verify"])
def test_half_a_character_for_a_secret_is_told_and_no_fault_of_the_program(
    site: Site, service: str, command: str
) -> None:
    value = site.add().secrets[0].value.encode()
    halved = Altered(lambda true: replace(true, body=true.body.replace(value, b"\\ud800")))
    site.box.faults.arm(halved, Wanted(service=service), when="after", times=None)

    ran = site.run(command)

    assert "a fault of this program" not in ran.out + ran.err


def test_a_line_of_the_notebook_without_end_is_none(tmp_path: Path) -> None:
    with FileNotebook(tmp_path / "n", PLACE).open() as write_down:
        write_down(holding("0oa9"))
    (file,) = (tmp_path / "n").iterdir()
    file.write_text(f"{file.read_text()}{NEST}\n")

    assert set(FileNotebook(tmp_path / "n", PLACE).recall()) == {"0oa9"}


@pytest.mark.parametrize(
    ("field", "text"),
    [
        pytest.param("made", NEST, id="a list without end"),
        pytest.param("made", "1", id="no list"),
        pytest.param("made", '{"hash": "x"}', id="no list of records"),
        pytest.param("order", NEST, id="an order without end"),
        pytest.param("order", "[1]", id="an order that is a list"),
        pytest.param("hooks", '"x"', id="hooks that are a word"),
    ],
)
def test_a_staging_record_that_is_not_ours_is_unreadable(field: str, text: str) -> None:
    fields = {"state": "empty", "base_version": "1", field: text}

    with pytest.raises(UnreadableRecordError):
        read_staging(KvVersion(number=1, created=NOON, fields=SecretFields(fields)), ())


def test_a_key_without_end_is_refused() -> None:
    with pytest.raises(RotatorError):
        key_in_pem(SecretValue('{"keys": ' + NEST), "acme")


@pytest.mark.parametrize("service", ["okta", "vault"])
@pytest.mark.parametrize("date", [FIRST_DAY, LAST_DAY, "Fri, 27 Nov 2026 10:00:00 -0000"])
def test_a_date_outside_of_time_is_none(site: Site, service: str, date: str) -> None:
    site.add()
    site.box.faults.arm(dated(date), Wanted(service=service), when="after", times=None)

    ran = site.run("status")

    assert "a fault of this program" not in ran.out + ran.err
    assert '"exception"' not in ran.err


def test_the_ends_of_a_value_that_pydantic_shows_are_cut_out() -> None:
    said = "[type=int_parsing, input_value='Cnry7vYw3xZk9Lm2PbT5R...uVb2nM4cQ8eL1pS', input_type=str]"

    assert Redactor().redact(said) == f"[type=int_parsing, input_value={REDACTED}, input_type=str]"


@pytest.mark.parametrize("value", ["[ssws]", "{a: b}", "[]"])
@pytest.mark.parametrize("old", ["method: ssws", "method: approle", "mode: auto"])
def test_a_list_where_a_word_is_wanted_is_a_problem_of_the_configuration(tmp_path: Path, old: str, value: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, changed(old, f"{old.partition(':')[0]}: {value}"))

    assert refused.value.problems
