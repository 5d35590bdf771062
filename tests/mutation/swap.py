"""Put a mutant into the running program: the code of one function, for all who hold that function."""

from __future__ import annotations

import functools
import gc
from types import CodeType, FunctionType
from typing import TYPE_CHECKING

from tests.mutation.mutants import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mutation.mutants import Mutant

Key = tuple[str, str, int]


def functions(folder: Path) -> dict[Key, list[FunctionType]]:
    """Return all functions of a folder's modules, by file, name and line."""
    found: dict[Key, list[FunctionType]] = {}
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(folder)):
            found.setdefault(_key(one.__code__), []).append(one)
    return found


def swap(file: Path, mutant: Mutant, known: dict[Key, list[FunctionType]]) -> bool:
    """Give the function its changed code; False if it is in nobody's hands, or can take no other."""
    for code in _codes(compile(mutated(file, mutant), str(file), "exec", dont_inherit=True)):
        if code.co_qualname != mutant.function:
            continue
        holders = known.get(_key(code), [])
        try:
            for function in holders:
                function.__code__ = code
        except ValueError:  # it closes over other names now
            return False
        if holders:
            _forget()
            return True
    return False


def _forget() -> None:
    """What was computed before counts no more."""
    for one in gc.get_objects():
        if isinstance(one, functools._lru_cache_wrapper):
            one.cache_clear()


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _key(code: CodeType) -> Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno
