"""A certification as the tests run it: the real command, and its report by fact."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.entry.site import Ran, Site

MARK = "rotator-certify-"


def certify(site: Site, *options: str) -> dict[str, dict[str, Any]]:
    """Certify the site's org; return the facts by name."""
    ran = site.run("certify", "--yes", "-o", "json", *options)
    assert ran.code == 0, ran.err
    return facts_of(ran)


def facts_of(ran: Ran) -> dict[str, dict[str, Any]]:
    return {each["fact"]: each for each in ran.json()["facts"]}


def made_by_us(site: Site) -> list[str]:
    """Return the labels of the apps that a certification has made and not removed."""
    return [app.label for app in site.box.okta.org.apps.values() if app.label.startswith(MARK)]
