"""From settings to the hooks that are run after a promotion (see `wiring`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.settings import CommandHook

if TYPE_CHECKING:
    from rotator.adapters import hooks as adapter
    from rotator.ports import Clock, Hooks
    from rotator.settings import Settings, WebHook


def open_hooks(settings: Settings, clock: Clock) -> Hooks:
    """Return the hooks of these settings. There is nothing to close."""
    from rotator.adapters.hooks import ConfiguredHooks

    return ConfiguredHooks({name: _hook(each) for name, each in settings.hooks.items()}, clock)


def _hook(hook: CommandHook | WebHook) -> adapter.Command | adapter.Webhook:
    from rotator.adapters.hooks import Command, Webhook
    from rotator.adapters.webhook import Way

    if isinstance(hook, CommandHook):
        return Command(hook.command, hook.environment, hook.folder, hook.timeout)
    return Webhook(hook.url.read, hook.secret.read, Way(hook.ca_file, hook.proxy, hook.timeout))
