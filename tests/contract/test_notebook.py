"""The Notebook port over a file: what is written down is there after a crash, for us alone, and for one at a time."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from rotator.adapters.notebook import FileNotebook
from rotator.core.last_use import HeldSecret, Holding, LastUse, UseOf
from rotator.core.model import AppId, SecretId, SecretStatus
from rotator.errors import BusyError, RefusedError

if TYPE_CHECKING:
    from pathlib import Path

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
PLACE = "acme.okta.com"


def holding(app: str = "0oa1", *, at: datetime = NOON) -> Holding:
    used = HeldSecret(
        SecretId("ocs1"), SecretStatus.ACTIVE, NOON, NOON, LastUse(UseOf.SECRET, NOON, NOON - timedelta(days=90))
    )
    tried = HeldSecret(SecretId("ocs2"), SecretStatus.INACTIVE, NOON, NOON, tried_at=NOON)
    return Holding(AppId(app), at, (used, tried))


def test_what_was_written_down_is_recalled_as_it_was(tmp_path: Path) -> None:
    with FileNotebook(tmp_path / "n", PLACE).open() as write_down:
        write_down(holding())
        write_down(holding("0oa2"))

        assert FileNotebook(tmp_path / "n", PLACE).recall() == {"0oa1": holding(), "0oa2": holding("0oa2")}


def test_the_last_word_about_an_app_counts_and_the_file_does_not_grow(tmp_path: Path) -> None:
    later = holding(at=NOON + timedelta(days=1))
    for each in (holding(), later, later, later):
        with FileNotebook(tmp_path / "n", PLACE).open() as write_down:
            write_down(each)

    assert FileNotebook(tmp_path / "n", PLACE).recall() == {"0oa1": later}
    (file,) = (tmp_path / "n").iterdir()
    assert len(file.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        "null",
        '{"form": 2, "app": "0oa1"}',
        '{"form": 1, "app": 1, "asked_at": "2026-11-23T12:00:00+00:00", "secrets": []}',
        '{"form": 1, "app": "0oa1", "asked_at": "2026-11-23T12:00:00", "secrets": []}',
        '{"form": 1, "app": "0oa1", "asked_at": "2026-11-23T12:00:00+00:00", "secrets": [{"id": "ocs1"}]}',
        '{"form": 1, "app": "0oa1", "asked_at": "2026-11-23T12:00:00+00:00", "secrets": 1}',
        "\x00\xff",
    ],
)
def test_a_line_that_cannot_be_understood_is_none(tmp_path: Path, line: str) -> None:
    notebook = FileNotebook(tmp_path / "n", PLACE)
    with notebook.open() as write_down:
        write_down(holding("0oa9"))
    (file,) = (tmp_path / "n").iterdir()
    file.write_text(f"{file.read_text()}{line}\n")

    assert set(notebook.recall()) == {"0oa9"}


def test_nothing_was_found_where_nobody_wrote(tmp_path: Path) -> None:
    assert FileNotebook(tmp_path / "n", PLACE).recall() == {}
    assert not (tmp_path / "n").exists()


def test_each_org_has_a_file_of_its_own(tmp_path: Path) -> None:
    for place in ("acme.okta.com", "other.okta.com", "127.0.0.1:80", "../up"):
        with FileNotebook(tmp_path / "n", place).open() as write_down:
            write_down(holding(place))

    names = {file.name for file in (tmp_path / "n").iterdir()}
    assert names == {"acme.okta.com.jsonl", "other.okta.com.jsonl", "127.0.0.1_80.jsonl", ".._up.jsonl"}
    assert set(FileNotebook(tmp_path / "n", "acme.okta.com").recall()) == {"acme.okta.com"}


def test_folder_and_file_are_ours_alone(tmp_path: Path) -> None:
    with FileNotebook(tmp_path / "n", PLACE).open():
        (file,) = (tmp_path / "n").iterdir()
        assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE((tmp_path / "n").stat().st_mode)) == (0o600, 0o700)


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir(mode=0o755)

    with pytest.raises(RefusedError, match="must be yours alone"), FileNotebook(tmp_path / "n", PLACE).open():
        pass


def test_one_process_writes_at_a_time(tmp_path: Path) -> None:
    with (
        FileNotebook(tmp_path / "n", PLACE).open(),
        pytest.raises(BusyError),
        FileNotebook(tmp_path / "n", PLACE).open(),
    ):
        pass
    with FileNotebook(tmp_path / "n", PLACE).open():
        pass


def test_no_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "n").mkdir(mode=0o700)
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / "n" / f"{PLACE}.jsonl").symlink_to(theirs)

    with pytest.raises(RefusedError, match="cannot be read"):
        FileNotebook(tmp_path / "n", PLACE).recall()
    assert theirs.read_text() == "theirs"


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "n").write_text("a file")

    with pytest.raises(RefusedError, match="cannot be written") as refused, FileNotebook(tmp_path / "n", PLACE).open():
        pass
    assert "XDG_STATE_HOME" in refused.value.hint
