"""The ids of requests: collected where somebody asks for them, and nowhere else."""

from __future__ import annotations

import asyncio

import pytest

from rotator.core.requests import LONGEST, collected, note


def test_what_is_noted_in_the_block_is_collected_in_order() -> None:
    note("before")
    with collected() as requests:
        note("one")
        note("two")
    note("after")

    assert requests == ["one", "two"]


@pytest.mark.parametrize("none", [None, "", 7, {"an": "object"}])
def test_what_is_no_id_is_not_noted(none: object) -> None:
    with collected() as requests:
        note(none)

    assert requests == []


def test_an_id_without_end_is_cut() -> None:
    with collected() as requests:
        note("x" * 1000)

    assert requests == ["x" * LONGEST]


def test_a_block_within_a_block_collects_for_itself() -> None:
    with collected() as outer:
        note("one")
        with collected() as inner:
            note("two")
        note("three")

    assert (outer, inner) == (["one", "three"], ["two"])


async def test_targets_that_are_carried_on_at_once_do_not_mix() -> None:
    turns = asyncio.Event()

    async def effect(name: str) -> list[str]:
        with collected() as requests:
            note(f"{name} 1")
            await turns.wait()
            await asyncio.to_thread(note, f"{name} 2")
        return requests

    tasks = [asyncio.create_task(effect(name)) for name in ("a", "b")]
    turns.set()

    assert await asyncio.gather(*tasks) == [["a 1", "a 2"], ["b 1", "b 2"]]
