"""Predicaments that the documents speak of: how a target gets into one, and what a person does about it elsewhere.

Each takes the reader and sees to it that `reader.app` is in it; `mend` is what people do in Okta's console or in the
configuration, where a document tells them to in words rather than in commands.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import requests

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.entry.reader import Reader

    Act = Callable[[Reader], None]

UNKNOWN = "unknown-to-okta-and-to-us"
APART = timedelta(hours=5)  # the two clocks


class Predicament(NamedTuple):
    """How it comes about, and what is done about it beside the document's commands."""

    make: Act
    mend: Act | None = None


def _nothing(_: Reader) -> None:
    """Expired as it is."""


def _rotated(reader: Reader) -> None:
    assert reader.run("rotator reconcile").code == 0


def _record(reader: Reader, **fields: str) -> None:
    reader.box.vault.put("secret", reader.staging, {"state": "empty", **fields})


def _unreadable(reader: Reader) -> None:
    _record(reader)
    reader.box.vault.put("secret", reader.staging, {"state": "half-way"})


def _out_of_sight(reader: Reader) -> None:
    reader.may(apps=frozenset())


def _in_sight(reader: Reader) -> None:
    reader.may(apps=None)


def _hide_values(reader: Reader) -> None:
    reader.may(view_secrets=False)


def _show_values(reader: Reader) -> None:
    reader.may(view_secrets=True)


def _anothers(reader: Reader) -> None:
    reader.box.vault.put("kv", reader.path, {"client_id": reader.portal.client_id, "client_secret": UNKNOWN})


def _elsewhere(reader: Reader) -> None:
    config = reader.folder / "rotator.yaml"
    config.write_text(config.read_text().replace("okta}]", "okta}, {mount: kv, path: reports/okta}]"))
    reader.box.vault.put("kv", "reports/okta", {"client_secret": UNKNOWN})


def _only_here(reader: Reader) -> None:
    config = reader.folder / "rotator.yaml"
    config.write_text(config.read_text().replace(", {mount: kv, path: reports/okta}]", "]"))


def _deleted(reader: Reader) -> None:
    reader.box.vault.delete("kv", reader.path)


def _emptied(reader: Reader) -> None:
    reader.box.vault.delete_metadata("kv", reader.path)


def _removed(reader: Reader) -> None:
    _record(reader, base_version="4")
    _emptied(reader)


def _two_active(reader: Reader) -> None:
    _emptied(reader)
    reader.example["ocs4example4example4"] = reader.box.okta.add_secret_by_admin(reader.app).id


def _hidden(reader: Reader) -> None:
    _emptied(reader)
    _hide_values(reader)


def _unmatched(reader: Reader) -> None:
    _hide_values(reader)
    reader.box.okta.settings.switch("hash_formula", "unknown")


def _unknown(reader: Reader) -> None:
    reader.box.vault.put("kv", reader.path, {"client_secret": UNKNOWN})


def _refused(reader: Reader) -> None:
    """The old one's overlap is over, so that the current one is tried before anything is switched off."""
    old, new = reader.app.secrets[-1], reader.box.okta.add_secret_by_admin(reader.app)
    reader.box.vault.put("kv", reader.path, {"client_id": reader.app.client_id, "client_secret": new.value})
    key = reader.box.vault.key("kv", reader.path)
    assert key
    key.versions[2].created = old.created + timedelta(days=50)
    reader.box.okta.refuse_tokens("invalid_client_secret", times=20)


def _accepted(reader: Reader) -> None:
    reader.box.okta.org.scripted_refusals.clear()


def _crowded(reader: Reader) -> None:
    reader.box.okta.add_secret_by_admin(reader.app)


def _less_crowded(reader: Reader) -> None:
    other = reader.app.secrets[-1].id
    reader.box.okta.revoke(reader.app, other)
    reader.box.okta.delete_secret_by_admin(reader.app, other)


def _at_the_cap(reader: Reader) -> None:
    now = reader.box.clock.now().isoformat()
    _record(reader, made=json.dumps([{"hash": f"h{number}", "at": now} for number in range(4)]))


def _cap_raised(reader: Reader) -> None:
    config = reader.folder / "rotator.yaml"
    config.write_text(config.read_text().replace("mode: auto", "mode: auto, daily_cap: 5"))


def _okta_behind(reader: Reader) -> None:
    reader.box.clock.advance(-APART)


def _okta_in_time(reader: Reader) -> None:
    reader.box.clock.advance(APART)


def _app_off(reader: Reader) -> None:
    reader.box.okta.deactivate_app_by_admin(reader.app)


def _app_on(reader: Reader) -> None:
    reader.box.okta.activate_app_by_admin(reader.app)


def _by_key(reader: Reader) -> None:
    _rotated(reader)
    reader.box.okta.set_auth_method_by_admin(reader.app, "private_key_jwt")


def _by_secret(reader: Reader) -> None:
    reader.box.okta.set_auth_method_by_admin(reader.app, "client_secret_basic")


def _revoked(reader: Reader) -> None:
    """By an administrator, who added another before."""
    first = reader.app.secrets[0].id
    reader.box.okta.add_secret_by_admin(reader.app)
    reader.box.okta.revoke(reader.app, first)


def _newline(reader: Reader) -> None:
    held = reader.box.vault.read("kv", reader.path) or {}
    reader.box.vault.put("kv", reader.path, held | {"client_secret": held["client_secret"] + "\n"})


def _configured(reader: Reader, old: str, new: str) -> None:
    config = reader.folder / "rotator.yaml"
    assert old in config.read_text()
    config.write_text(config.read_text().replace(old, new))


def _long_ago(reader: Reader) -> None:
    """What consumers read was published fifty days ago."""
    key = reader.box.vault.key("kv", reader.path)
    assert key
    key.versions[max(key.versions)].created -= timedelta(days=50)


def _left_long_ago(reader: Reader) -> None:
    _rotated(reader)
    _long_ago(reader)


def _in_use(reader: Reader) -> None:
    _left_long_ago(reader)
    answer = requests.post(
        f"{reader.box.okta_url}/oauth2/default/v1/token",
        {"grant_type": "client_credentials", "scope": "billing.read"},
        auth=(reader.app.client_id, reader.app.secrets[0].value),
        headers={"User-Agent": "nightly-report/2.0"},
        timeout=30,
    )
    assert answer.ok


def _unproven(reader: Reader) -> None:
    _configured(reader, "{mode: auto}", "{mode: auto, usage: required}")
    _left_long_ago(reader)
    reader.may(read_log=False)


def _proven(reader: Reader) -> None:
    reader.may(read_log=True)


def _hook_failing(reader: Reader) -> None:
    hook = "hooks: {reload: {command: [/bin/false]}}\npolicies:"
    _configured(reader, "policies:", hook)
    _configured(reader, "{mode: auto}", "{mode: auto, hooks: [reload]}")
    _rotated(reader)
    _long_ago(reader)


def _hook_mended(reader: Reader) -> None:
    _configured(reader, "/bin/false", "/bin/true")


PREDICAMENTS = {
    "expired": Predicament(_nothing),
    "rotated": Predicament(_rotated),
    "secret revoked": Predicament(_revoked),
    "newline in the secret": Predicament(_newline),
    "record unreadable": Predicament(_unreadable),
    "app missing": Predicament(_out_of_sight, _in_sight),
    "app inactive": Predicament(_app_off, _app_on),
    "app has no client secret": Predicament(_by_key, _by_secret),
    "path belongs to another client": Predicament(_anothers),
    "another path holds something else": Predicament(_elsewhere, _only_here),
    "consumer version deleted": Predicament(_deleted),
    "consumer path was removed and made anew": Predicament(_removed),
    "two active secrets": Predicament(_two_active),
    "value hidden by Okta": Predicament(_hidden, _show_values),
    "cannot match the value in Vault": Predicament(_unmatched, _show_values),
    "unknown value in Vault": Predicament(_unknown),
    "refused although active": Predicament(_refused, _accepted),
    "both slots taken": Predicament(_crowded, _less_crowded),
    "old secret still in use": Predicament(_in_use),
    "use of the old secret unknown": Predicament(_unproven, _proven),
    "hook failed": Predicament(_hook_failing, _hook_mended),
    "daily cap reached": Predicament(_at_the_cap, _cap_raised),
    "our clock is ahead": Predicament(_okta_behind, _okta_in_time),
}
