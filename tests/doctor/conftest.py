"""The place where commands run, as for the other tests of commands."""

from __future__ import annotations

from tests.entry.conftest import box, clean, site

__all__ = ["box", "clean", "site"]
