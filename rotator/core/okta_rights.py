"""What rotator needs to be allowed in Okta, and how a super admin sets that up (contracts: Okta 6.3). Pure.

* The one list of scopes and permissions: the pre-flight compares with it, `rotator policy okta` prints it, and
  `deploy/okta/README.md` shows the same.
* What it may do is what its scopes *and* its role allow, and the role is bound to the apps that are targets.
* The commands are safe to paste, whatever the configuration holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

READ, MANAGE, LOG = "okta.apps.read", "okta.apps.manage", "okta.logs.read"
VIEW_SECRETS = "okta.apps.clientCredentials.read"
ROLE = "Client secret rotation"
RESOURCES = "Rotated by rotator"


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of Okta's API. Without one that is not `required` something works less well."""

    name: str
    use: str
    required: bool = True


@dataclass(frozen=True, slots=True)
class Permission:
    """A permission of a custom admin role, as the console and as the API call it."""

    title: str
    name: str
    without: str


SCOPES = (
    Scope(READ, "reading the app and its secrets"),
    Scope(MANAGE, "making, activating, deactivating and deleting secrets"),
    Scope(
        LOG,
        "asking the System Log whether a secret was switched off by us or by somebody else, and who still uses an old "
        "one; hearing of what others change. Without it each app is looked at once an hour, and with `usage: required` "
        "no old secret is switched off",
        required=False,
    ),
)
PERMISSIONS = (
    Permission("Manage applications", MANAGE, "nothing works"),
    Permission(
        "View application client credentials",
        VIEW_SECRETS,
        "values are matched by hash alone, and nothing can be adopted",
    ),
)
OF_THE_ROLE = (READ, *(each.name for each in PERMISSIONS))  # managing includes reading; the API wants both named


def set_up_by_api(org_url: str, client_id: str, apps: Sequence[str]) -> str:
    """Return the commands that grant scopes, role and resource set to the service app, for a super admin's shell."""
    resources = ", ".join(f'\\"$org/api/v1/apps/{app}\\"' for app in apps)
    permissions = ", ".join(f'"{name}"' for name in OF_THE_ROLE)
    scopes = " ".join(each.name for each in SCOPES)
    return f"""\
org={quote(org_url)} client={quote(client_id)}
call() {{ curl --fail-with-body -sS -H "Authorization: SSWS $TOKEN" -H 'Content-Type: application/json' "$@"; }}

for scope in {scopes}; do
  call "$org/api/v1/apps/$client/grants" -d "{{\\"scopeId\\": \\"$scope\\", \\"issuer\\": \\"$org\\"}}"
done
call "$org/api/v1/iam/roles" -d '{{
  "label": "{ROLE}", "description": "For rotator",
  "permissions": [{permissions}]}}'
call "$org/api/v1/iam/resource-sets" -d "{{
  \\"label\\": \\"{RESOURCES}\\", \\"description\\": \\"The targets of its configuration\\",
  \\"resources\\": [{resources}]}}"
# with the ids that the two answers hold:
call "$org/api/v1/iam/resource-sets/$RESOURCE_SET/bindings" -d "{{
  \\"role\\": \\"$ROLE\\", \\"members\\": [\\"$org/oauth2/v1/clients/$client\\"]}}"
call "$org/oauth2/v1/clients/$client/roles" -d '{{"type": "REPORT_ADMIN"}}'
"""


def guide(org_url: str, client_id: str, apps: Sequence[str]) -> str:
    """Return all of it for people: what to make in the admin console, or the same by API."""
    resources = "\n".join(f"     {app}" for app in apps) or "     (there is no target yet)"
    scopes = "\n".join(f"     {each.name:17} {each.use}" for each in SCOPES)
    permissions = "\n".join(f"     {each.title} ({each.name}); without it {each.without}" for each in PERMISSIONS)
    return f"""\
What rotator needs in {org_url}, set up once by a super admin.

1. A service app: Applications, Create App Integration, API Services; here {client_id}.
   Client authentication: Public key / Private key. Require DPoP: off.

2. Its scopes, on its tab Okta API Scopes:
{scopes}

3. A custom admin role, {ROLE!r}, with the permissions:
{permissions}

   on a resource set, {RESOURCES!r}, of just these apps:
{resources}

   assigned to the service app, and beside it the standard role Report Administrator, which reads the System Log.

Steps 2 and 3 by API, with a super admin's token in $TOKEN:

{set_up_by_api(org_url, client_id, apps)}"""
