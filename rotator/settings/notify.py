"""Whom to tell, from the sections that say so: channels with their secrets, and the heartbeat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rotator.core.deadlines import Deadlines
from rotator.core.notices import Kind, Route
from rotator.core.secret_value import SecretValue
from rotator.redaction import hide
from rotator.settings.explain import validated
from rotator.settings.files import authority_at, secret_at
from rotator.settings.model import Channel, Heartbeat, Notify, nearest
from rotator.settings.schema_notify import AppriseSection, HeartbeatSection, NotifySection, WebhookSection
from rotator.settings.secret_source import SecretSource

if TYPE_CHECKING:
    from collections.abc import Collection

    from pydantic import BaseModel

    from rotator.settings.document import Document, Key
    from rotator.settings.files import Surroundings


def resolve_notify(
    document: Document, around: Surroundings, policies: Collection[str], *, sections: dict[Key, BaseModel]
) -> Notify | None:
    """Return whom to tell; None where nobody is, or with the problems reported."""
    key: Key = ("notify",)
    if not document.has(key) or not (section := validated(document, key, NotifySection)):
        return None
    sections[key] = section
    found = []
    for name, each in section.channels.items():
        channel = _channel(document, (*key, "channels", name), each, around)
        found += [channel] if channel else []
        for index, policy in enumerate(each.policies or ()):
            if policy not in policies:
                place = (*key, "channels", name, "policies", index)
                document.report(place, f"there is no such policy; {nearest(policy, policies)}")
    return Notify(tuple(found), section.repeat_after, Deadlines(section.upcoming, section.late_after))


def resolve_heartbeat(document: Document, around: Surroundings, *, sections: dict[Key, BaseModel]) -> Heartbeat | None:
    """Return who is pinged; None where nobody is, or with the problems reported."""
    key: Key = ("heartbeat",)
    if not document.has(key) or not (section := validated(document, key, HeartbeatSection)):
        return None
    sections[key] = section
    url = secret_at(document, (*key, "url_file"), around)
    ca_file = authority_at(document, (*key, "ca_file"), around)
    return Heartbeat(url, section.every, ca_file, section.proxy, section.answer_within) if url else None


def _channel(
    document: Document, key: Key, section: AppriseSection | WebhookSection, around: Surroundings
) -> Channel | None:
    url = _url(document, key, section, around)
    signs = isinstance(section, WebhookSection)
    secret = secret_at(document, (*key, "secret_file"), around) if signs else None
    ca_file = authority_at(document, (*key, "ca_file"), around)
    if url is None or (signs and secret is None):
        return None
    return Channel(
        name=str(key[-1]),
        kind=section.kind,
        url=url,
        secret=secret,
        route=Route(
            str(key[-1]),
            frozenset(map(Kind, section.events or Kind)),
            tuple(section.targets or ()),
            frozenset(section.policies or ()),
        ),
        at_most=section.at_most,
        answer_within=section.answer_within,
        ca_file=ca_file,
        proxy=section.proxy,
    )


def _url(
    document: Document, key: Key, section: AppriseSection | WebhookSection, around: Surroundings
) -> SecretSource | None:
    if isinstance(section, WebhookSection) and section.url is not None:
        hide(section.url)
        return SecretSource(str(document.origin((*key, "url"))), value=SecretValue(section.url))
    return secret_at(document, (*key, "url_file"), around)
