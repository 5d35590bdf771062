"""A place to run the command in, as the tests of the command line have it."""

from tests.entry.conftest import box, clean, site

__all__ = ["box", "clean", "site"]
