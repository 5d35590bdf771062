"""The files that a configuration names: secrets and authorities. Here they are only looked at, not kept.

A name is repeated in a message only if it looks like a path: anything else may be the secret itself.
"""

from __future__ import annotations

import json
import re
import ssl
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rotator.core.secret_value import SecretValue
from rotator.redaction import hide
from rotator.settings.secret_source import LONGEST, SecretSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.core.certified import Certified
    from rotator.settings.document import Document, Key

_CREDENTIAL = re.compile(r"[A-Za-z0-9_.@:-]{1,255}")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the configuration may refer to outside itself."""

    environ: Mapping[str, str]
    home: Path
    folder: Path  # where relative names begin: the configuration's own folder

    def path(self, name: str) -> Path:
        """Return the path that is meant."""
        if name.startswith("~/"):
            return self.home / name[2:]
        return self.folder / name


def secret_at(document: Document, key: Key, around: Surroundings, *, default: str = "") -> SecretSource | None:
    """Return the source that the reference at `key` names; None, with the problem reported, if there is none."""
    reference = str(document.get(key) or default)
    if reference.startswith("env:"):
        return _variable(document, key, reference[4:], around)
    if reference.startswith("cred:"):
        return _credential(document, key, reference[5:], around)
    path = around.path(reference)
    if not _usable(document, key, path, reference):
        return None
    _warn_if_open(document, key, path)
    return SecretSource(f"file {path}", path=path)


def authority_at(document: Document, key: Key, around: Surroundings) -> Path | None:
    """Return the file of certificates at `key`, if one is named and holds some."""
    name = document.get(key)
    if name is None:
        return None
    path = around.path(str(name))
    if not _usable(document, key, path, str(name)):
        return None
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=path)
    except (ssl.SSLError, OSError):
        document.report(key, "holds no certificate in PEM form; name the file of the authority")
        return None
    return path


def certified_at(document: Document, key: Key, path: Path, host: str) -> Certified | None:
    """Return what the report of a certification says; None if there is none, or with a warning if it is unfit."""
    from rotator.core.certified import read  # noqa: PLC0415 -- for nothing where there is no report

    try:
        certified = read(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else "it is no report of `rotator certify`"
        document.warn(key, f"`{path}` is not relied upon ({reason}); certify the org again")
        return None
    if certified.host != host:
        document.warn(key, f"`{path}` is not relied upon: it is about {certified.host}; certify this org")
        return None
    return certified


def _variable(document: Document, key: Key, name: str, around: Surroundings) -> SecretSource | None:
    text = around.environ.get(name, "").strip()
    if not text or len(text) > LONGEST:
        document.report(key, "names an environment variable that is not set, or too long; set it, or name a file")
        return None
    hide(text)
    return SecretSource(f"environment {name}", value=SecretValue(text))


def _credential(document: Document, key: Key, name: str, around: Surroundings) -> SecretSource | None:
    folder = around.environ.get("CREDENTIALS_DIRECTORY")
    if not folder:
        document.report(key, "names a systemd credential, but $CREDENTIALS_DIRECTORY is not set; see LoadCredential=")
        return None
    if not _CREDENTIAL.fullmatch(name) or not name.strip("."):
        document.report(key, "is no name of a credential; write `cred:` and the name alone")
        return None
    path = Path(folder) / name
    return SecretSource(f"credential {name}", path=path) if _usable(document, key, path, str(path)) else None


def _usable(document: Document, key: Key, path: Path, written: str) -> bool:
    """Say whether the file is there and can be read; report it if not."""
    shown = f" `{path}`" if written.startswith(("/", "~/", "./", "../")) and len(written) < 256 else ""
    try:
        found = path.stat()
        # Opening a pipe would wait for its writer.
        empty = stat.S_ISREG(found.st_mode) and not _first_byte(path)
    except (OSError, ValueError) as failure:
        reason = (getattr(failure, "strerror", None) or "no usable name").lower()
        document.report(key, f"the file{shown} cannot be read ({reason}); check the path and its permissions")
        return False
    if empty or not stat.S_ISREG(found.st_mode):
        document.report(key, f"the file{shown} is empty or no plain file; check the path")
        return False
    return True


def _first_byte(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1)


def _warn_if_open(document: Document, key: Key, path: Path) -> None:
    # Kubernetes mounts secrets as symbolic links to files that everybody in the pod may read; the pod is the fence.
    if not path.is_symlink() and path.stat().st_mode & stat.S_IROTH:
        document.warn(key, f"everybody on this machine may read `{path}`; `chmod 600` it")
