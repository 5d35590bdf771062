"""Everything that a configuration may get wrong: the message has the line, the key, what is wrong and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rotator.errors import ConfigError
from rotator.settings.document import Document
from tests.settings.files import CANARY, GOOD, changed, loaded, selecting

if TYPE_CHECKING:
    from pathlib import Path

SECOND = "\n  other:\n    app_id: {app}\n    policy: prod\n    write_to: [{{mount: {mount}, path: {path}}}]\n"
TWO = changed("vaults:", "  beta: {org_url: https://beta.okta.com, auth: {method: ssws, token_file: token}}\nvaults:")


def second(*, app: str = "0oa2example2example2", mount: str = "kv", path: str = "other/okta") -> str:
    return GOOD.rstrip() + SECOND.format(app=app, mount=mount, path=path)


def listening(on: str) -> str:
    return GOOD + f"health: {{listen: {on}}}\n"


def state(url: str) -> str:
    return GOOD + f"state: {{url: {url}}}\n"


def sharing(shares: str) -> str:
    return changed("com\n    auth: {method: s", f"com\n    rate_share: {shares}\n    auth: {{method: s")


def dark(days: str) -> str:
    return changed("soak: 3d", f"blackouts: [{days}]")


def wrong(text: str, line: int, said: str, *, name: str) -> object:
    return pytest.param(text, line, said, id=name)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        # --- the file itself
        wrong("okta: [1\n", 2, "this is no valid YAML", name="a bracket is left open"),
        wrong(changed("  prod:", "\t prod:"), 10, "this is no valid YAML", name="a tab indents"),
        wrong(GOOD + "targets: {}\n", 16, "targets: is there twice, first in line 11; remove one", name="a key twice"),
        wrong(changed("mode: auto,", "mode: !!str auto,"), 10, "tags are not supported; remove", name="a tag"),
        wrong(GOOD + "---\na: 1\n", 16, "a second document begins here; keep one", name="two documents"),
        wrong("- okta\n", 1, "must be a mapping; begin with `okta:`", name="a list"),
        wrong("okta: &a {x: *a}\n", 1, "this alias has no anchor before it; write the value out", name="itself"),
        wrong("okta: " + "[" * 40 + "]" * 40, 1, "nested deeper than 12 levels", name="too deep"),
        wrong(GOOD + "<<: {a: 1}\n", 16, "merge keys are not part of YAML 1.2; write the keys out", name="a merge key"),
        # --- keys
        wrong(changed("policy: prod", "polcy: prod"), 14, "targets.billing.polcy: is no key that belongs here; "
              "did you mean `policy`?", name="a misspelt key"),
        wrong(changed("path: billing/okta", "pth: billing/okta"), 15, "write_to[0].pth: is no key that belongs here; "
              "did you mean `path`?", name="a misspelt key inside a list"),
        wrong(changed("token_file: token", "token_fil: token"), 4, "okta.acme.auth.token_fil: is no key that belongs "
              "here; did you mean `token_file`?", name="a misspelt key of a login"),
        wrong(changed("overlap: 7d", "overlap: {mn: 7d}"), 10, "policies.prod.overlap.mn: is no key that belongs here",
              name="a misspelt key of overlap"),
        wrong(GOOD + "polices: {}\n", 16, "polices: is no section of a configuration; did you mean `policies`?",
              name="a misspelt section"),
        wrong(changed("    app_id: 0oa1example1example1\n", ""), 12, "targets.billing.app_id: is missing; add it",
              name="a missing key"),
        wrong(changed("  billing:\n", "  billing: {}\n  b:\n"), 12, "targets.billing.write_to: is missing; add it",
              name="an empty mapping"),
        wrong(GOOD + "  empty:\n", 16, "targets.empty: is empty; fill it in or remove it", name="an empty entry"),
        wrong(changed("policy: prod", "policy:"), 14, "targets.billing.policy: is empty; it must be text",
              name="empty"),
        wrong(changed("  billing:\n", "  bil ling:\n"), 12, "is no name; use up to 64", name="a name with a space"),
        # --- types
        wrong(changed("role_id: rotator", "role_id: 12345"), 8, "vaults.main.auth.role_id: must be text; put it in "
              "quotes", name="a number for text"),
        wrong(changed("path: billing/okta", "path: p, fields: {client_secret: 5}"), 15, "fields.client_secret: must be "
              "text; put it in quotes", name="a number for the name of a secret field"),
        wrong(changed("role_id: rotator", "role_id: r, wrapped: yes"), 8, "auth.wrapped: must be `true` or `false`",
              name="yes for true"),
        wrong(changed("mode: auto,", 'mode: auto, daily_cap: "4",'), 10, "daily_cap: must be a whole number",
              name="text for a number"),
        wrong(changed("mode: auto,", "mode: auto, daily_cap: 0,"), 10, "daily_cap: is too small; it must be at least 1",
              name="a cap of nothing"),
        wrong(changed("mode: auto,", "mode: auto, daily_cap: 999,"), 10, "daily_cap: is too large; it must be at most",
              name="a cap beyond sense"),
        wrong(changed("[{mount: kv, path: billing/okta}]", "kv/billing"), 15, "write_to: must be a list; begin each",
              name="text for a list"),
        wrong(changed("[{mount: kv, path: billing/okta}]", "[]"), 15, "write_to: is empty; it needs at least one entry",
              name="a list of nothing"),
        wrong(changed("{method: ssws, token_file: token}", "token"), 4, "okta.acme.auth: must be a mapping",
              name="text for a mapping"),
        wrong("targets: []\n" + GOOD.split("targets:")[0], 1, "targets: must be a mapping", name="a list of targets"),
        # --- values
        wrong(changed("mode: auto", "mode: automatic"), 10, "policies.prod.mode: must be `observe` or `auto` or "
              "`manual` or `approve`", name="an unknown mode"),
        wrong(changed("method: ssws", "method: password"), 4, "okta.acme.auth: has an unknown `method`; it must be",
              name="an unknown method"),
        wrong(changed("method: ssws, ", ""), 4, "okta.acme.auth: has no `method`; add it", name="no method"),
        wrong(changed("rotate_after: 90d", "rotate_after: 90 days"), 10, "is no duration; write a number and one of",
              name="a duration in words"),
        wrong(changed("rotate_after: 90d", "rotate_after: 90"), 10, "is no duration; write a number and one of",
              name="a duration without a unit"),
        wrong(changed("rotate_after: 90d", "rotate_after: -90d"), 10, "is no duration", name="a negative duration"),
        wrong(changed("soak: 3d", "soak: 0d"), 10, "policies.prod.soak: is no time at all; it must be longer than zero",
              name="a duration of nothing"),
        wrong(changed("rotate_after: 90d", "rotate_after: 99999w"), 10, "is too long; at most 3650d makes sense here",
              name="a duration of centuries"),
        wrong(changed("com\n    auth: {method: s", "com\n    answer_within: 1h\n    auth: {method: s"), 4,
              "okta.acme.answer_within: is too long; at most 5m", name="an answer that takes an hour"),
        wrong(changed("rotate_after: 90d", "rotate_after: 11d"), 10, "policies.prod.rotate_after: must be longer than "
              "overlap + soak + a day for retries, which is 11d; make it longer", name="rotations that overlap"),
        wrong(changed("overlap: 7d", "overlap: {min: 7d, max: 6d}"), 10, "policies.prod.overlap: has a `max` shorter "
              "than `min`; make it longer", name="an overlap that ends before it is over"),
        wrong(changed("overlap: 7d", "overlap: {max: 60d}"), 10, "policies.prod.overlap.min: is missing; add it",
              name="an overlap with an end alone"),
        wrong(changed("soak: 3d", "usage: never"), 10, "policies.prod.usage: must be `required` or "
              "`stop_if_seen` or `off`", name="an unknown usage"),
        wrong(changed("overlap: 7d", "overlap: {min: 89d}"), 10, "policies.prod.rotate_after: must be longer",
              name="an overlap that never ends"),
        wrong(changed("soak: 3d", "windows: [{days: [mon], from: 9:00, to: '16:00', zone: UTC}]"), 10,
              "windows[0].from: is no time of day; write it in quotes, with two digits", name="a time of one digit"),
        wrong(changed("soak: 3d", "windows: [{days: [mon], from: '09:00', to: '24:00', zone: UTC}]"), 10,
              "windows[0].to: is no time of day", name="a time after midnight"),
        wrong(changed("soak: 3d", "windows: [{days: [monday], from: '09:00', to: '10:00', zone: UTC}]"), 10,
              "windows[0].days[0]: must be `mon` or `tue`", name="a day written out"),
        wrong(changed("soak: 3d", "windows: [{days: [], from: '09:00', to: '10:00', zone: UTC}]"), 10,
              "windows[0].days: is empty; it needs at least one entry", name="a window without days"),
        wrong(changed("soak: 3d", "windows: [{days: [mon], from: '09:00', to: '10:00', zone: CEST5}]"), 10,
              "windows[0].zone: is no time zone; write an IANA name", name="an unknown zone"),
        wrong(changed("soak: 3d", "windows: [{days: [mon], from: '09:00', to: '10:00', zone: ../../etc/passwd}]"), 10,
              "windows[0].zone: is no time zone; write an IANA name", name="a zone that is a path"),
        # --- addresses
        wrong(changed("https://acme.okta.com", "http://acme.okta.com"), 3, "okta.acme.org_url: is not encrypted; write "
              "`https://`", name="http"),
        wrong(changed("https://vault.example.com:8200", "http://10.0.0.7:8200"), 7, "vaults.main.address: is not "
              "encrypted; write `https://`", name="http inside"),
        wrong(changed("https://acme.okta.com", "https://me:pw@acme.okta.com"), 3, "has a user or a password in it; "
              "remove", name="a password in an address"),
        wrong(changed("https://acme.okta.com", "https://acme.okta.com/api/v1"), 3, "has a path or a query; write only",
              name="a path in an address"),
        wrong(changed("https://acme.okta.com", "https://acme.okta.com?x=1"), 3, "has a path or a query; write only",
              name="a query in an address"),
        wrong(changed("https://acme.okta.com", "https://acme.okta.com#"), 3, "has a path or a query; write only",
              name="a fragment in an address"),
        wrong(changed("https://acme.okta.com", "acme.okta.com"), 3, "is no URL; write `https://` and the host",
              name="no scheme"),
        wrong(changed("https://acme.okta.com", "ftp://acme.okta.com"), 3, "is no URL; write `https://`", name="ftp"),
        wrong(changed("https://acme.okta.com", "https://acme.okta.com:port"), 3, "is no URL", name="a port in words"),
        wrong(changed("https://acme.okta.com", '"https://acme.okta.com\\n"'), 3, "is no URL", name="a line break"),
        wrong(changed("https://acme.okta.com", "https://acme-admin.okta.com"), 3, "is the address of the admin console;"
              " remove `-admin`", name="the admin console"),
        # --- names and paths
        wrong(changed("policy: prod", "policy: prd"), 14, "targets.billing.policy: is no name under `policies`; did you"
              " mean `prod`?", name="an unknown policy"),
        wrong(changed("policy: prod", "policy: prod\n    org: acmee"), 15, "targets.billing.org: is no name under "
              "`okta`; did you mean `acme`?", name="an unknown org"),
        wrong(changed("policy: prod", "policy: prod\n    vault: qwert"), 15, "targets.billing.vault: is no name under "
              "`vaults`; choose one of `main`", name="an unknown vault"),
        wrong(TWO, 13, "targets.billing.org: is missing; add it", name="two orgs and none named"),
        wrong(changed("0oa1example1example1", "billing"), 13, "targets.billing.app_id: is no app id; it has 20 letters",
              name="a label for an app id"),
        wrong(changed("path: billing/okta", "path: billing/../okta"), 15, "write_to[0].path: has a part that is empty, "
              "`.` or `..`", name="a path that climbs"),
        wrong(changed("path: billing/okta", "path: billing//okta"), 15, "write_to[0].path: has a part that is empty",
              name="a path with a hole"),
        wrong(changed("path: billing/okta", "path: /billing/okta"), 15, "write_to[0].path: begins or ends with a slash;"
              " remove it", name="a path from the root"),
        wrong(changed("path: billing/okta", "path: bill ing/okta"), 15, "has other characters than A-Z a-z 0-9 _ . -",
              name="a path with a space"),
        wrong(changed("mount: kv", "mount: .."), 15, "write_to[0].mount: has a part that is empty, `.` or `..`",
              name="a mount that climbs"),
        # --- secrets and files
        wrong(changed("token_file: token", "token_file: /no/such/token"), 4, "okta.acme.auth.token_file: the file "
              "`/no/such/token` cannot be read (no such file or directory); check the path", name="a missing file"),
        wrong(changed("token_file: token", f"token_file: {CANARY}"), 4, "token_file: the file cannot be read",
              name="a secret for a file"),
        wrong(changed("token_file: token", f"token: {CANARY}"), 4, "okta.acme.auth.token: a secret may not stand here; "
              "put it into a file, and name that by `token_file`", name="a secret in the open"),
        wrong(changed("token_file: token", "token_file: env:NOT_SET"), 4, "names an environment variable that is not "
              "set, or too long; set it", name="an unset variable"),
        wrong(changed("token_file: token", "token_file: cred:okta"), 4, "names a systemd credential, but "
              "$CREDENTIALS_DIRECTORY is not set", name="a credential outside systemd"),
        wrong(changed("token_file: token", "token_file: ."), 4, "is empty or no plain file; check the path",
              name="a folder for a file"),
        wrong(changed("com\n    auth: {method: s", "com\n    ca_file: token\n    auth: {method: s"), 4,
              "okta.acme.ca_file: holds no certificate in PEM form", name="an authority without certificates"),
        wrong(changed("role_id: rotator, ", ""), 8, "vaults.main.auth: needs a role id; write either `role_id` or",
              name="no role id"),
        wrong(changed("role_id: rotator", "role_id: a, role_id_file: token"), 8, "vaults.main.auth: needs a role id; "
              "write either `role_id` or", name="two role ids"),
        # --- where to listen
        wrong(GOOD + "health: {}\n", 16, "health.listen: is missing; add it", name="health without an address"),
        wrong(GOOD + "health:\n", 16, "health: is empty; fill it in or remove it", name="health alone"),
        wrong(GOOD + "health: {lisen: '0.0.0.0:1'}\n", 16, "health.lisen: is no key that belongs here; did you mean "
              "`listen`?", name="a misspelt key of health"),
        wrong(listening("8321"), 16, "health.listen: must be text; put it in quotes", name="a port alone"),
        wrong(listening("'8321'"), 16, "health.listen: is no address to listen on; write one and a port",
              name="a port alone, in quotes"),
        wrong(listening("127.0.0.1"), 16, "health.listen: is no address to listen on", name="an address alone"),
        wrong(listening("'::1:8321'"), 16, "health.listen: is no address to listen on", name="IPv6 without brackets"),
        wrong(listening("'[::1:8321'"), 16, "health.listen: is no address to listen on", name="half a bracket"),
        wrong(listening("'[::1]'"), 16, "health.listen: is no address to listen on", name="IPv6 without a port"),
        wrong(listening("':8321'"), 16, "health.listen: needs the address of an interface", name="no address"),
        wrong(listening("'*:8321'"), 16, "health.listen: needs the address of an interface", name="a star"),
        wrong(listening("'http://127.0.0.1:8321'"), 16, "health.listen: is no address to listen on", name="a URL"),
        wrong(listening("'[fe80::1%eth0]:8321'"), 16, "health.listen: needs the address of an interface",
              name="a scope"),
        wrong(listening("'rotator.example.com:8321'"), 16, "health.listen: needs the address of an interface",
              name="a name for an address"),
        wrong(listening("'127.0.0.1:0'"), 16, "health.listen: has no port from 1 to 65535", name="port zero"),
        wrong(listening("'127.0.0.1:65536'"), 16, "health.listen: has no port from 1 to 65535", name="a port too far"),
        wrong(listening("'127.0.0.1:http'"), 16, "health.listen: has no port from 1 to 65535", name="a port's name"),
        # --- the state database
        wrong(state("mysql://db/rotator"), 16, "state.url: is no URL of a database; write `sqlite:////path/of/a/file`",
              name="another database"),
        wrong(state("/var/lib/state.db"), 16, "state.url: is no URL of a database", name="a path alone"),
        wrong(state("'postgresql://db:port/x'"), 16, "state.url: is no URL of a database", name="a port of letters"),
        wrong(state("'postgresql://db/a b'"), 16, "state.url: is no URL of a database", name="a database with a space"),
        wrong(state("sqlite://"), 16, "state.url: needs an absolute path and nothing else", name="no file"),
        wrong(state("sqlite:///state.db"), 16, "state.url: needs an absolute path", name="a relative file"),
        wrong(state("'sqlite:////state.db?mode=ro'"), 16, "state.url: needs an absolute path", name="a file's option"),
        wrong(state("sqlite:////var/../state.db"), 16, "state.url: has a path that ends with a slash, or has `.`",
              name="a file up and down"),
        wrong(state(f"'postgresql://u:{CANARY}@db/rotator'"), 16, "state.url: has a password in it; put that into a "
              "file, and name it by `password_file`", name="a password in the URL"),
        wrong(state(f"'postgresql://db/rotator?password={CANARY}'"), 16, "state.url: has a password in it",
              name="a password behind the URL"),
        wrong(state(f"'postgresql://db/rotator?sslpassword={CANARY}'"), 16, "state.url: has a password in it",
              name="a key's password behind the URL"),
        wrong(state("postgresql:///rotator"), 16, "state.url: names no host", name="no host"),
        wrong(state("postgresql://db"), 16, "state.url: names no database", name="a server alone"),
        wrong(state("postgresql://db/a/b"), 16, "state.url: names no database", name="two databases"),
        wrong(GOOD + f"state: {{password: {CANARY}}}\n", 16, "state.password: a secret may not stand here; put it into "
              "a file, and name that by `password_file`", name="the state's password in the open"),
        wrong(GOOD + "state: {password_file: token}\n", 16, "state.password_file: goes with PostgreSQL alone",
              name="a password for a file"),
        wrong(state("postgresql://db/x, password_file: gone"), 16, "state.password_file: the file cannot be read",
              name="a password that is not there"),
        wrong(GOOD + "state:\n", 16, "state: is empty; fill it in or remove it", name="state alone"),
        wrong(GOOD + "state: {uri: x}\n", 16, "state.uri: is no key that belongs here; did you mean `url`?",
              name="a misspelt key of state"),
        # --- targets that would fight
        wrong(second(app="0oa1example1example1"), 17, "targets.other.app_id: is the app of target `billing` as well; "
              "remove one of the two", name="one app twice"),
        wrong(second(path="billing/okta"), 19, "targets.other.write_to[0].path: target `billing` writes there as well; "
              "give each a path of its own", name="one path twice"),
        wrong(second(mount="kv/billing", path="okta"), 19, "target `billing` writes there as well",
              name="one path twice, split in another place"),
        wrong(second(mount="secret", path="rotator/staging/x"), 19, "targets.other.write_to[0].path: lies in the "
              "staging area, which is wiped; choose another path", name="a path inside staging"),
        wrong(second(mount="secret", path="rotator/staging"), 19, "lies in the staging area", name="staging itself"),
        wrong(changed("path: billing/okta", "path: p, fields: {client_id: a, client_secret: a}"), 15,
              "write_to[0].fields: both have the same name; give each its own", name="both fields of one name"),
        wrong(changed("path: billing/okta", "path: p, fields: {client_secret: rotated_at}"), 15,
              "fields.client_secret: is the name of a field that we write ourselves", name="a field that is ours"),
        wrong(GOOD + "  0oa1example1example1:\n    app_id: 0oa9example9example9\n    policy: prod\n"
              "    write_to: [{mount: kv, path: p}]\n", 16, "is named like the app of target `billing`; choose another",
              name="a target named like an app"),
        # --- selections
        wrong(selecting(where="{}"), 18, "selections.services.where: must say which apps in one way; write either "
              "`label` or `apps`", name="no way to tell which apps"),
        wrong(selecting(where='{label: "a*", apps: [0oa3example3example3]}'), 18, "where: must say which apps in one "
              "way", name="two ways"),
        wrong(selecting(where="{apps: []}"), 18, "where.apps: is empty; it needs at least one entry",
              name="no apps"),
        wrong(selecting(where="{apps: [billing]}"), 18, "where.apps[0]: is no app id; it has 20 letters",
              name="a label for an id in a list"),
        wrong(selecting(where="{lable: x}"), 18, "where.lable: is no key that belongs here; did you mean `label`?",
              name="a misspelt key of where"),
        wrong(selecting(path="apps/okta"), 20, "write_to[0].path: is the same for every app; write `{app_id}` or "
              "`{client_id}` into it", name="one path for many apps"),
        wrong(selecting(path="apps/{label}/okta"), 20, "write_to[0].path: is built from something that may change; only"
              " `{app_id}` and `{client_id}` may stand in it", name="a path from a label"),
        wrong(selecting(path="apps/{app_id}/{label}"), 20, "is built from something that may change",
              name="a path from an id and a label"),
        wrong(selecting(path="apps/../{app_id}"), 20, "write_to[0].path: has a part that is empty, `.` or `..`",
              name="a path of many that climbs"),
        wrong(selecting(path="rotator/staging/{app_id}").replace('mount: kv, path: "r', 'mount: secret, path: "r'), 20,
              "selections.services.write_to[0].path: lies in the staging area", name="staging for many"),
        wrong(selecting(more="newcomers: welcome"), 21, "selections.services.newcomers: must be `observe` or `policy`",
              name="an unknown welcome"),
        wrong(selecting(more="max_matches: 0"), 21, "selections.services.max_matches: is too small; it must be at least"
              " 1", name="no matches"),
        wrong(selecting(more="org: acmee"), 21, "selections.services.org: is no name under `okta`; did you mean `acme`",
              name="an unknown org of a selection"),
        wrong(selecting(more="overrides: {0oa9example9example9: {policy: prd}}"), 21, "selections.services.overrides."
              "0oa9example9example9.policy: is no name under `policies`; did you mean `prod`?",
              name="an unknown policy of one app"),
        wrong(selecting(more="overrides: {billing: {mode: manual}}"), 21, "is no app id; it has 20 letters",
              name="an override by label"),
        wrong(selecting().replace('okta"}]', 'okta"}, {mount: kv, path: "apps/{client_id}/okta"}]'), 20, "selections."
              "services.write_to[1].path: the secrets are written there already", name="two templates of one path"),
        wrong(selecting().replace('okta"}]', 'okta"}, {mount: secret, path: "rotator/staging/{app_id}"}]'), 20,
              "selections.services.write_to[1].path: lies in the staging area", name="staging as another place"),
        wrong(selecting().replace('okta"}]', 'okta"}, {mount: kv, path: "apps/okta"}]'), 20, "write_to[1].path: is the "
              "same for every app", name="another place that is one for many"),
        wrong(selecting().replace("  services:", "  billing:"), 17, "selections.billing: is the name of a target as "
              "well; choose another", name="a selection named like a target"),
        wrong(selecting().replace("  services:", "  0oa1example1example1:"), 17, "is named like the app of target "
              "`billing`; choose another", name="a selection named like an app"),
        wrong(selecting().replace("  services:", "  a/b:"), 17, "is no name; use up to 64",
              name="a selection with a slash in its name"),
        # --- known, but not yet
        wrong(GOOD + "web: {listen: '0.0.0.0:1'}\n", 16, "web: is nothing that this release acts on yet", name="web"),
        wrong(changed("    policy: prod", "    policy: prod\n    usage: off"), 15, "targets.billing.usage: is nothing "
              "that this release acts on yet", name="usage of one target"),
        wrong(changed("method: approle", "method: aws"), 8, "vaults.main.auth.method: is a value that this release does"
              " not act on yet", name="aws"),
        # --- days on which nothing begins
        wrong(dark("{from: 2027-01-03, to: 2026-12-20, zone: UTC}"), 10, "policies.prod.blackouts[0]: ends before it "
              "begins; exchange `from` and `to`", name="a blackout that ends before it begins"),
        wrong(dark("{from: 2026-2-30, zone: UTC}"), 10, "blackouts[0].from: is no day of this century; write year, "
              "month and day: `2026-12-24`", name="a month of one digit"),
        wrong(dark("{from: 2026-02-30, zone: UTC}"), 10, "blackouts[0].from: is no day of this century", name="a day "
              "that there is not"),
        wrong(dark("{from: 20261224, zone: UTC}"), 10, "blackouts[0].from: is no day of this century", name="a number"),
        wrong(dark("{from: 2026-12-24, to: 2126-12-26, zone: UTC}"), 10, "blackouts[0].to: is no day of this century",
              name="a century later"),
        wrong(dark("{from: 2026-12-24}"), 10, "blackouts[0].zone: is missing; add it", name="a blackout nowhere"),
        wrong(dark("{from: 2026-12-24, till: 2026-12-26, zone: UTC}"), 10, "blackouts[0].till: is no key that belongs "
              "here", name="a misspelt key of a blackout"),
        wrong(dark("{from: 2026-01-01, to: 2027-01-01, zone: UTC}"), 10, "policies.prod.blackouts[0]: leaves no "
              "opening within a year from its first day; shorten it", name="a blackout of more than a year"),
        wrong(dark("{from: 2026-07-01, to: 2027-01-02, zone: UTC}, {from: 2026-01-01, to: 2026-06-30, zone: UTC}"), 10,
              "policies.prod.blackouts[1]: leaves no opening within a year", name="two of them, one after the other"),
        wrong(dark("{from: 2026-01-01, to: 2026-12-31, zone: UTC}],"
                   " windows: [{days: [sun], from: '09:00', to: '16:00', zone: UTC}"), 10,
              "policies.prod.blackouts[0]: leaves no opening within a year", name="a year, and then no window"),
        wrong(dark(", ".join(["{from: 2026-12-24, zone: UTC}"] * 51)), 10, "policies.prod.blackouts: has too many "
              "entries; at most 50 make sense", name="too many"),
        # --- waves and limits
        wrong(changed("soak: 3d", "wave: {canary: 5, size: 4}"), 10, "policies.prod.wave: has a `canary` larger than "
              "`size`; what goes first must not be more", name="a canary larger than a wave"),
        wrong(changed("soak: 3d", "wave: {size: 0}"), 10, "policies.prod.wave.size: is too small; it must be at least",
              name="an empty wave"),
        wrong(changed("soak: 3d", "wave: {canary: 0}"), 10, "prod.wave.canary: is too small", name="no canary"),
        wrong(changed("soak: 3d", "wave: {spacing: 1d}"), 10, "policies.prod.wave.spacing: is too long; at most 12h",
              name="a wave that lasts a day"),
        wrong(changed("soak: 3d", "wave: 20"), 10, "policies.prod.wave: must be a mapping", name="a number for a wave"),
        wrong(changed("soak: 3d", "backlog_spread: 0d"), 10, "policies.prod.backlog_spread: is no time at all",
              name="a spread of nothing"),
        wrong(GOOD + "limits: {urgent_at_once: 0}\n", 16, "limits.urgent_at_once: is too small; it must be at least 1",
              name="none at once"),
        wrong(GOOD + "limits: {urgent_share: 1.5}\n", 16, "limits.urgent_share: is too large; it must be at most 1",
              name="more than all targets"),
        wrong(GOOD + "limits: {urgent_share: -0.1}\n", 16, "limits.urgent_share: is too small", name="less than none"),
        wrong(GOOD + "limits: {failures: 0}\n", 16, "limits.failures: is too small; it must be at least 1",
              name="no failures"),
        wrong(GOOD + "limits: {failure: 5}\n", 16, "limits.failure: is no key that belongs here; did you mean "
              "`failures`?", name="a misspelt limit"),
        wrong(GOOD + "limits:\n", 16, "limits: is empty; fill it in or remove it", name="limits of nothing"),
        # --- how much of Okta's rate limits
        wrong(sharing("{routine: 0}"), 4, "okta.acme.rate_share.routine: is too small; it must be more than 0",
              name="a share of nothing"),
        wrong(sharing("{urgent: 1.1}"), 4, "okta.acme.rate_share.urgent: is too large; it must be at most 1",
              name="more than all"),
        wrong(sharing("{routine: '0.4'}"), 4, "okta.acme.rate_share.routine: must be a number; write it without quotes",
              name="text for a share"),
        wrong(sharing("{routine: .nan}"), 4, "okta.acme.rate_share.routine: ", name="a share that is no number"),
        wrong(sharing("{routine: 0.9}"), 4, "okta.acme.rate_share: has a `routine` larger than `urgent`; what is urgent"
              " must not get less", name="less for what is urgent"),
        wrong(sharing("0.4"), 4, "okta.acme.rate_share: must be a mapping", name="one share for both"),
        # --- several places
        wrong(changed("okta}]", "okta}" + ", {mount: kv, path: b}" * 8 + "]"), 15, "targets.billing.write_to: has too "
              "many entries; at most 8 make sense", name="nine places"),
        wrong(changed("okta}]", "okta}, {mount: kv/billing, path: okta}]"), 15, "targets.billing.write_to[1].path: the "
              "secret is written there already; remove one of the two", name="one place twice"),
        wrong(second(path="other/okta}, {mount: kv, path: billing/okta"), 19, "targets.other.write_to[1].path: target "
              "`billing` writes there as well", name="another place of a target that is another's"),
        wrong(second(path="x}, {mount: secret, path: rotator/staging/x"), 19, "targets.other.write_to[1].path: lies in "
              "the staging area", name="another place inside staging"),
        wrong(changed("okta}]", "okta}, {mount: kv, path: b, fields: {client_id: rotation_id}}]"), 15, "write_to[1]."
              "fields.client_id: is the name of a field that we write ourselves", name="our field elsewhere"),
    ],
)  # fmt: skip
def test_a_problem_has_its_line_its_key_and_what_to_do(tmp_path: Path, text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)

    problems = refused.value.problems
    assert [each for each in problems if each.startswith(f"{tmp_path}/config.yaml:{line}:") and said in each], problems
    assert CANARY not in str(refused.value)
    assert refused.value.exit_code == 2


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(GOOD + "web: {}\n", id="an early key"),
        pytest.param(changed("method: approle", "method: aws"), id="an early method"),
        pytest.param(changed("token_file: token", f"token: {CANARY}"), id="a secret in the open"),
        pytest.param(changed("policy: prod", "polcy: prod"), id="a misspelt key"),
        pytest.param(changed("https://acme.okta.com", "acme.okta.com"), id="an address without a scheme"),
        pytest.param(changed("rotate_after: 90d", "rotate_after: 90"), id="a wrong policy that a target names"),
    ],
)
def test_one_mistake_is_one_problem(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)

    assert len(refused.value.problems) == 1, refused.value.problems


def test_every_problem_is_told_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        changed("https://acme.okta.com", "http://acme.okta.com")
        .replace("soak: 3d", "soak: 0d")
        .replace("secret_id_file: secret-id", "secret_id_file: /gone")
        .replace("path: billing/okta", "path: ../okta")
    )

    with pytest.raises(ConfigError) as refused:
        loaded(tmp_path, text)

    lines = [int(problem.removeprefix(f"{tmp_path}/config.yaml:").split(":")[0]) for problem in refused.value.problems]
    assert lines == [3, 8, 10, 15]


def test_a_key_that_may_be_a_secret_is_not_repeated() -> None:
    document = Document("config.yaml")
    document.report(("okta", "acme", CANARY), "is no key that belongs here")

    with pytest.raises(ConfigError) as refused:
        document.raise_problems()
    assert str(refused.value) == "config.yaml: okta.acme.?: is no key that belongs here"


def test_a_path_that_looks_like_the_api_s_gets_a_warning(tmp_path: Path) -> None:
    settings = loaded(tmp_path, changed("path: billing/okta", "path: data/billing/okta"))

    assert settings.warnings == (
        f"{tmp_path}/config.yaml:15: targets.billing.write_to[0].path: begins like an address of the API; "
        "the path is meant without `data/`",
    )


def test_a_file_that_anybody_may_change_gets_a_warning(tmp_path: Path) -> None:
    loaded(tmp_path)
    (tmp_path / "config.yaml").chmod(0o666)

    from rotator.settings import load

    settings = load(tmp_path / "config.yaml", environ={}, home=tmp_path)

    assert ["everybody on this machine may change this file" in each for each in settings.warnings] == [True]
