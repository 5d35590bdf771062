"""The documents that go with what is deployed: no link in them leads nowhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.deploy.places import DEPLOY, ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = sorted(DEPLOY.rglob("*.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_link_leads_somewhere(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8"))

    assert links
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []
