"""From settings to the ways to people (see `wiring`). Nothing is read or imported before something is to be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rotator.ports import Clock, Heart, Notifier
    from rotator.settings import Channel, Heartbeat, Settings


def check_notify(settings: Settings) -> None:
    """Return if every channel of these settings can be opened; `ConfigError` if not."""
    from rotator.adapters.apprise_notifier import installed

    for channel in settings.notify.channels if settings.notify else ():
        if channel.kind == "apprise":
            installed(channel.name)


def open_notifier(channel: Channel, clock: Clock) -> Notifier:
    """Return the way that a channel is; its secrets are read at each message."""
    if channel.secret is None:
        from rotator.adapters.apprise_notifier import AppriseNotifier

        return AppriseNotifier(
            channel.name,
            channel.url.read,
            within=channel.answer_within,
            ca_file=channel.ca_file,
            proxy=channel.proxy,
        )
    from rotator.adapters.web_notifier import WebNotifier
    from rotator.adapters.webhook import Way

    way = Way(channel.ca_file, channel.proxy, channel.answer_within)
    return WebNotifier(channel.name, channel.url.read, channel.secret.read, way=way, clock=clock)


def open_heart(heartbeat: Heartbeat) -> Heart:
    """Return who is pinged."""
    from rotator.adapters.web_notifier import WebHeart
    from rotator.adapters.webhook import Way

    return WebHeart(heartbeat.url.read, Way(heartbeat.ca_file, heartbeat.proxy, heartbeat.answer_within))
