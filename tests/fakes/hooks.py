"""Hooks in memory: they note what they were told, and end as a test says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.hooks import HookResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rotator.core.hooks import Occasion

GOOD = HookResult(good=True, detail="exit code 0")
BAD = HookResult(good=False, detail="exit code 1: it went wrong")


class FakeHooks:
    """The hooks of these names; each is a function from how often it was run before to how it ends."""

    def __init__(self, hooks: Mapping[str, Callable[[int], HookResult]]) -> None:
        """Begin with nothing run."""
        self.ran: list[tuple[str, Occasion]] = []
        self._hooks = dict(hooks)

    async def run(self, name: str, occasion: Occasion) -> HookResult:
        before = sum(each == name for each, _ in self.ran)
        if name not in self._hooks:
            return HookResult(good=False, detail="the configuration has no such hook any more")
        self.ran.append((name, occasion))
        return self._hooks[name](before)
