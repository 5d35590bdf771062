"""The site of the commands' own tests."""

from __future__ import annotations

from tests.entry.conftest import box, clean, site

__all__ = ["box", "clean", "site"]
