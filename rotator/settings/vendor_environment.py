"""`OKTA_CLIENT_*` and `VAULT_*`, as their own tools read them: for keys that the configuration leaves out.

* Only where there is a single org, or a single Vault: a credential must not reach another one than it was made for.
* For the same reason a credential is not taken if the environment names another address than the configuration does.
* Certificates are always checked: `VAULT_SKIP_VERIFY` is refused.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.settings.aliases import ALIAS
from rotator.settings.document import Document, Key, Origin
from rotator.settings.kinds import EnvironmentText
from rotator.settings.overrides import variable

if TYPE_CHECKING:
    from collections.abc import Mapping

_OFF = frozenset({"", "0", "f", "false"})


def fill_from_environment(document: Document, environ: Mapping[str, str], home: Path) -> None:
    """Fill in what the configuration leaves out and the vendors' own variables give."""
    given = {name: value.strip() for name, value in environ.items() if value.strip()}
    if given.get("VAULT_SKIP_VERIFY", "").lower() not in _OFF:
        document.report(
            (),
            "this program always checks certificates; unset it, and name the authority by `ca_file` or VAULT_CACERT",
            origin=variable("VAULT_SKIP_VERIFY"),
        )
    if org := _single(document, "okta", created="OKTA_CLIENT_ORGURL" in given):
        _Filling(document, org, given).okta()
    if vault := _single(document, "vaults", created="VAULT_ADDR" in given):
        _Filling(document, vault, given).vault(home)


def _single(document: Document, section: str, *, created: bool) -> Key | None:
    entries = document.data[section]
    if not entries and created and (section,) not in document.told:
        entries[ALIAS] = {}
        document.flat.add(section)
    names = [name for name, _ in document.names(section)]
    return (section, names[0]) if len(names) == 1 == len(entries) else None


class _Filling:
    """One org or Vault being filled in."""

    def __init__(self, document: Document, key: Key, given: Mapping[str, str]) -> None:
        self._document = document
        self._key = key
        self._given = given

    def okta(self) -> None:
        self._take("org_url", "OKTA_CLIENT_ORGURL")
        if not self._credentials_belong("org_url", "OKTA_CLIENT_ORGURL", self._okta_credentials()):
            return
        if not self._document.has((*self._key, "auth")) and (method := self._okta_method()):
            self._put(("auth", "method"), method, variable(self._okta_credentials()[0]))
        match self._document.get((*self._key, "auth", "method")):
            case "ssws":
                self._take_secret("token_file", "OKTA_CLIENT_TOKEN")
            case "private_key_jwt":
                self._take_secret("key_file", "OKTA_CLIENT_PRIVATEKEY")
                self._take("client_id", "OKTA_CLIENT_CLIENTID", "auth")
                self._take("scopes", "OKTA_CLIENT_SCOPES", "auth")
                self._take("kid", "OKTA_CLIENT_KID", "auth")

    def vault(self, home: Path) -> None:
        self._take("address", "VAULT_ADDR")
        self._take("namespace", "VAULT_NAMESPACE")
        self._take("ca_file", "VAULT_CACERT")
        if not self._credentials_belong("address", "VAULT_ADDR", self._vault_credentials()):
            return
        token_file = home / ".vault-token"
        if not self._document.has((*self._key, "auth")):
            if "VAULT_TOKEN" in self._given:
                self._put(("auth", "method"), "token", variable("VAULT_TOKEN"))
            elif token_file.is_file():
                self._put(("auth", "method"), "token", Origin(str(token_file)))
        if self._document.get((*self._key, "auth", "method")) == "token":
            self._take_secret("token_file", "VAULT_TOKEN")
            if token_file.is_file() and not self._document.has((*self._key, "auth", "token_file")):
                self._put(("auth", "token_file"), str(token_file), Origin(str(token_file)))

    def _okta_method(self) -> str | None:
        credentials = self._okta_credentials()
        if not credentials:
            return None
        return "private_key_jwt" if "OKTA_CLIENT_PRIVATEKEY" in credentials else "ssws"

    def _okta_credentials(self) -> list[str]:
        """Return the variables that hold a credential, the SDK's choice first: a token unless told otherwise."""
        names = ["OKTA_CLIENT_TOKEN", "OKTA_CLIENT_PRIVATEKEY"]
        if self._given.get("OKTA_CLIENT_AUTHORIZATIONMODE", "").lower() == "privatekey":
            names.reverse()
        return [name for name in names if name in self._given][:1]

    def _vault_credentials(self) -> list[str]:
        return ["VAULT_TOKEN"] if "VAULT_TOKEN" in self._given else []

    def _credentials_belong(self, name: str, address: str, credentials: list[str]) -> bool:
        """Say whether the environment's credentials were made for the address that the configuration names."""
        wanted = self._document.get((*self._key, name))
        meant = self._given.get(address)
        if meant is None or not isinstance(wanted, str) or _bare(wanted) == _bare(meant):
            return True
        auth = self._document.get((*self._key, "auth"))
        if not credentials or _complete(auth):
            return False
        self._document.report(
            (*self._key, name),
            f"{address} names another host, so this one is not sent {credentials[0]}; write `auth`, or unset {address}",
        )
        self._document.told.add((*self._key, "auth"))
        return False

    def _take(self, name: str, source: str, *under: str) -> None:
        key = (*self._key, *under, name)
        if source in self._given and not self._document.has(key):
            self._put((*under, name), EnvironmentText(self._given[source]), variable(source))

    def _take_secret(self, name: str, source: str) -> None:
        if source in self._given and not self._document.has((*self._key, "auth", name)):
            value = self._given[source]
            # The SDK takes a key, or the path of one.
            reference = value if name == "key_file" and _is_path(value) else f"env:{source}"
            self._put(("auth", name), reference, variable(source))

    def _put(self, key: Key, value: Any, origin: Origin) -> None:
        if (*self._key, *key) not in self._document.told:
            self._document.put((*self._key, *key), value, origin)


def _complete(auth: object) -> bool:
    return isinstance(auth, dict) and any(str(name).endswith("_file") for name in auth)


def _bare(url: str) -> str:
    return url.strip().rstrip("/").lower()


def _is_path(value: str) -> bool:
    return len(value) < 1024 and value.isprintable() and "{" not in value and Path(value).is_file()
