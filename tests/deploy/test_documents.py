"""The documents that go with what is deployed: no link in them leads nowhere, no command that they name is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from rotator.cli.main import COMMANDS
from tests.deploy.places import CONFIG, DEPLOY, ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = sorted(DEPLOY.rglob("*.md"))
COMMAND = re.compile(r"(?:`|-- |bin/|^ *(?:\$ )?)rotator ([a-z]+)", re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


def test_every_command_that_is_named_there_is_one() -> None:
    files = [file for folder in (DEPLOY, CONFIG) for file in folder.rglob("*") if file.is_file()]
    named = {word: file for file in files for word in COMMAND.findall(file.read_text(encoding="utf-8"))}

    assert len(named) > 5
    assert {word: file for word, file in named.items() if word not in COMMANDS} == {}
