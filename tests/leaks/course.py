"""What is done in a whole life of the program: every command, for people and for programs, the daemon, bad answers."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rotator.daemon.talk import Request
from rotator.sandbox.okta_console import GivenSecret
from tests.doctor.curl import captured
from tests.entry.site import SCOPE
from tests.leaks.life import ECHOES, FRESH, NOBODYS, LongLived

if TYPE_CHECKING:
    from tests.leaks.life import Life


def live(life: Life) -> None:
    """Live through everything once."""
    site, box = life.site, life.box
    with life.watched():
        apps = {name: site.add(name) for name in ("billing", "ledger", "shop")}
        apps["portal"] = site.add("portal", in_vault=False, age=FRESH, policy="manual")
        apps["legacy"] = site.add("legacy", age=FRESH, older=[GivenSecret().value or ""])
        box.okta.add_app("unmanaged", secrets=[GivenSecret(age=timedelta(days=400))])
        _look_round(life)
        _act(life, apps)
        _serve(life, apps)
        _look_back(life)
        _go_wrong(life)
        life.learn()
    life.keep_post()


def _look_round(life: Life) -> None:
    site = life.site
    for args in (("config", "validate"), ("config", "show"), ("doctor", "--preflight"), ("status",), ("verify",)):
        life.both(*args)
    for args in (("policy", "okta"), ("policy", "vault"), ("config", "schema")):
        life.run(*args, bare=args[1] == "schema")
    life.run("config", "init", str(life.place.file("emitted/begun.yaml")), bare=True)
    life.both("simulate", "--days", "30")
    issuer = f"{site.box.okta_url}/oauth2/default"
    client = site.box.okta.org.apps[site.targets["billing"]["app_id"]].client_id
    for secret in ("nobodys", "vault-token"):
        outside = (
            "--client-id",
            client,
            "--issuer",
            issuer,
            "--scope",
            SCOPE,
            "--secret-file",
            str(site.folder / secret),
        )
        life.both("doctor", *outside)
    form = {"grant_type": "client_credentials", "scope": SCOPE}
    said = captured(f"{issuer}/v1/token", form, basic=f"{client}:{NOBODYS}")
    life.both("doctor", "--explain", str(life.give("captured", said, secret=NOBODYS)))
    life.both("discover", "--yes", "--emit", str(life.place.file("emitted/new.yaml")), "--to", "secret/apps/{app_id}/x")
    life.run("discover", "-o", "csv")


def _act(life: Life, apps: dict[str, Any]) -> None:
    life.run("resume", "--all")
    plan = str(life.place.file("plans/the.plan"))
    life.both("plan", "billing", "--out", plan)
    life.run("apply", plan)
    life.run_alone("rotate", "ledger", "--force")
    life.both("rotate", "ledger", "--compromised", "--yes")
    life.both("rotate", "--all", "--dry-run")
    life.both("adopt", "portal", "--yes")
    life.run("reclaim", "legacy", apps["legacy"].secrets[0].id, "--yes")
    life.both("retire", "billing", "--yes")
    life.run("rotate", "shop", "--force")
    life.both("rollback", "shop", "--yes", "--direct")
    life.run("resume", "shop", "--direct")
    life.both("pause", "shop", "--reason", "a freeze")
    life.both("approve", "shop", "--yes")
    life.run("resume", "--paused")
    life.both("reconcile")


def _serve(life: Life, apps: dict[str, Any]) -> None:
    box = life.box
    with LongLived(life) as daemon:
        daemon.until_ready()
        if (current := life.site.holder(apps["shop"], "shop")) and len(apps["shop"].secrets) > 1:
            box.okta.revoke(apps["shop"], current.id)
        for request in (
            Request("status"),
            Request("rotate", ("billing",), order="now"),
            Request("pause", ("legacy",), reason="a freeze"),
            Request("resume", ("legacy",)),
            Request("rotate", ("nobody",)),
        ):
            life.ask(request)
        life.both("status", "--daemon")
        life.both("rotate", "ledger", "--force", "--daemon")
        life.both("notify", "test")
        life.spoilt(lambda: life.ask(Request("rotate", ("billing",), order="now", wait=1)), ECHOES[0])
        life.look_up(daemon)
        daemon.stop()


def _look_back(life: Life) -> None:
    for args in (("status", "--cached"), ("plan", "--cached"), ("history", "billing"), ("audit", "verify")):
        life.both(*args)
    life.run("evidence", "billing")
    life.run("audit", "export")
    life.copied("audit-export", "audit/export.jsonl")
    life.run("certify", "--yes", "--log-wait", "1", "--report", str(life.place.file("emitted/certified.md")))


def _go_wrong(life: Life) -> None:
    life.spoilt(lambda: life.run("rotate", "ledger", "--force", "--wait", "0", "-o", "json"), *ECHOES)
    life.spoilt(lambda: life.run("doctor", "billing"), ECHOES[0])
    life.site.okta_auth = {"method": "ssws", "token_file": "okta-token"}
    life.both("doctor", "--preflight")
    life.box.okta.revoke_api_token(life.site.api_token)
    life.both("status")
    life.site.okta_auth = life.by_key
    life.run_alone("status", module="tests.leaks.broken", into="tracebacks/status")
    life.run_alone("reconcile", module="tests.leaks.broken", into="tracebacks/reconcile")
