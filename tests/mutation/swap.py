"""Put a mutant into the running program: the code of one function, for all who hold that function.

What has to be known for that is looked up once, before the processes part: in one of its own each object that is only
looked at is a page to be copied.
"""

from __future__ import annotations

import functools
import gc
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import TYPE_CHECKING, Any

from tests.mutation.mutants import mutated

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mutation.mutants import Mutant

Key = tuple[str, str, int]


@dataclass(frozen=True, slots=True)
class Held:
    """What the program holds of a folder's modules: functions by file, name and line; and everything remembered."""

    functions: dict[Key, list[FunctionType]] = field(default_factory=dict)
    caches: list[Any] = field(default_factory=list)


def held(folder: Path) -> Held:
    """Return what the program holds now."""
    found = Held()
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename.startswith(str(folder)):
            found.functions.setdefault(_key(one.__code__), []).append(one)
        elif isinstance(one, functools._lru_cache_wrapper):
            found.caches.append(one)
    return found


def swap(file: Path, mutant: Mutant, known: Held) -> bool:
    """Give the function its changed code; False if it is in nobody's hands, or can take no other."""
    for code in _codes(compile(mutated(file, mutant), str(file), "exec", dont_inherit=True)):
        if code.co_qualname != mutant.function:
            continue
        holders = known.functions.get(_key(code), [])
        try:
            for function in holders:
                function.__code__ = code
        except ValueError:  # it closes over other names now
            return False
        if holders:
            for cache in known.caches:  # what was computed before counts no more
                cache.cache_clear()
            return True
    return False


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _key(code: CodeType) -> Key:
    return code.co_filename, code.co_qualname, code.co_firstlineno
