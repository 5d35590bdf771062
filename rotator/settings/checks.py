"""What no single key can show: targets that would fight, policies that cannot work, names that lead nowhere."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core.model import Destination
from rotator.core.selection import APP_ID, CLIENT_ID
from rotator.core.sharing import Shared, clashes, paths_of
from rotator.settings.kinds import write_duration
from rotator.settings.model import sites_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rotator.core.model import Policy, Target
    from rotator.core.selection import Selection
    from rotator.core.sharing import Sites
    from rotator.settings.document import Document, Key
    from rotator.settings.model import Org, Vault

SLACK = timedelta(days=1)  # for retries: what fails in the evening is looked at in the morning
LONGEST_CLOSED = timedelta(days=365)
# What we write beside the two fields (design: "What lies in Vault").
RESERVED = frozenset(
    {"client_secret_id", "rotation_id", "rotated_at", "retiring_secret_id", "retiring_mode"},
)


def check_policy(document: Document, key: Key, policy: Policy) -> None:
    """Refuse a policy whose next rotation would be due before the last one is over, or that never lets one begin."""
    least = policy.overlap + policy.soak + SLACK
    if policy.rotate_after <= least:
        document.report(
            (*key, "rotate_after"),
            f"must be longer than overlap + soak + a day for retries, which is {write_duration(least)}; "
            "make it longer, or those shorter",
        )
    for index, blackout in enumerate(policy.blackouts):
        if policy.calendar.next_opening(blackout.begins) - blackout.begins > LONGEST_CLOSED:
            document.report(
                (*key, "blackouts", index), "leaves no opening within a year from its first day; shorten it"
            )


def check_targets(
    document: Document, targets: Sequence[Target], orgs: Mapping[str, Org], vaults: Mapping[str, Vault]
) -> None:
    """Refuse targets that share an app or a path, or that write where they must not."""
    sites = sites_of(orgs, vaults)
    for clash in clashes(targets, sites):
        key: Key = ("targets", clash.target.name)
        other = clash.earlier.name
        if clash.what is Shared.APP:
            document.report((*key, "app_id"), f"is the app of target `{other}` as well; remove one of the two")
            continue
        place = (*key, "write_to", clash.number, "path")
        if clash.earlier is clash.target:
            document.report(place, "the secret is written there already; remove one of the two")
        else:
            document.report(place, f"target `{other}` writes there as well; give each a path of its own")
    apps = _by_app(targets)
    for target in targets:
        key = ("targets", target.name)
        _check_name(document, key, apps)
        _check_destinations(document, key, target, sites)


def check_selections(
    document: Document,
    selections: Sequence[Selection],
    targets: Sequence[Target],
    *,
    orgs: Mapping[str, Org],
    vaults: Mapping[str, Vault],
) -> None:
    """Refuse selections that are named like a target, or that write where they must not. Who matches is not known."""
    sites, names, apps = sites_of(orgs, vaults), {target.name for target in targets}, _by_app(targets)
    for selection in selections:
        key: Key = ("selections", selection.name)
        if selection.name in names:
            document.report(key, "is the name of a target as well; choose another")
        _check_name(document, key, apps)
        _check_templates(document, key, selection.target)
        _check_destinations(document, key, selection.target, sites)


def _by_app(targets: Sequence[Target]) -> dict[str, str]:
    return {str(target.app_id): target.name for target in targets}


def _check_name(document: Document, key: Key, apps: Mapping[str, str]) -> None:
    """An app id is accepted wherever a name is: it must not be another's name."""
    name = str(key[-1])
    if (other := apps.get(name, name)) != name:
        document.report(key, f"is named like the app of target `{other}`; choose another name")


def _check_templates(document: Document, key: Key, target: Target) -> None:
    """Refuse templates that give one path: Okta's client id is the app's id unless somebody chose another."""
    alike = [str(path).replace(CLIENT_ID, APP_ID) for path in paths_of(target)]
    for index, path in enumerate(alike):
        if path in alike[:index]:
            place = (*key, "write_to", index, "path")
            document.report(place, "the secrets are written there already; remove one of the two")


def _check_destinations(document: Document, key: Key, target: Target, sites: Sites) -> None:
    for index in sites.wiped(target):
        place = (*key, "write_to", index, "path")
        document.report(place, "lies in the staging area, which is wiped; choose another path")
    for index, each in enumerate((Destination(target.consumer, target.fields), *target.also)):
        _check_destination(document, (*key, "write_to", index), each)


def _check_destination(document: Document, place: Key, destination: Destination) -> None:
    if destination.path.path.split("/")[0] in {"data", "metadata"}:
        document.warn((*place, "path"), "begins like an address of the API; the path is meant without `data/`")
    fields = destination.fields
    if fields.client_id == fields.client_secret:
        document.report((*place, "fields"), "both have the same name; give each its own")
    for name, field in (("client_id", fields.client_id), ("client_secret", fields.client_secret)):
        if field in RESERVED:
            document.report((*place, "fields", name), "is the name of a field that we write ourselves; choose another")
