"""The fixtures of the entry tests that the real program needs here as well."""

from tests.entry.conftest import clean, zygote

__all__ = ["clean", "zygote"]
