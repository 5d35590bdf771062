"""The program with a bug in it, for `python -m tests.leaks.broken ARGV…`: what it trips over stands in its error.

The bug is of the kind that nobody foresees: a list of secrets from Okta that cannot be worked with, told in the
exception as libraries like to, in a message of its own and in one that it was raised from.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rotator.adapters.okta_admin import OktaSdkAdmin
    from rotator.core.model import AppId


async def list_secrets(self: OktaSdkAdmin, app: AppId) -> NoReturn:
    """Fail with everything that Okta said in the message."""
    found = await truly(self, app)
    told = [{"id": each.id, "client_secret": each.value.reveal() if each.value else None} for each in found]
    raise RuntimeError(f"bad answer: {told[0]['client_secret']}") from TypeError(f"cannot read {told}")


if __name__ == "__main__":
    from rotator.adapters import okta_admin
    from rotator.cli.main import main

    truly = okta_admin.OktaSdkAdmin.list_secrets
    okta_admin.OktaSdkAdmin.list_secrets = list_secrets  # type: ignore[method-assign]
    sys.exit(main())
