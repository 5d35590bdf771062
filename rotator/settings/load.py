"""Where the configuration is found, and how it becomes `Settings`."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rotator.errors import ConfigError
from rotator.printable import printable
from rotator.settings import places
from rotator.settings.document import Document, Origin
from rotator.settings.files import Surroundings
from rotator.settings.overrides import PREFIX
from rotator.settings.resolve import resolve
from rotator.settings.yaml_text import LONGEST, parse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rotator.settings.model import Settings

SYSTEM = Path("/etc/rotator/config.yaml")


def load(path: Path | None = None, *, environ: Mapping[str, str] | None = None, home: Path | None = None) -> Settings:
    """Read and check the configuration; `ConfigError` with everything that is wrong with it.

    Without `path`: `$ROTATOR_CONFIG`, else the first there is of `$XDG_CONFIG_HOME/rotator/config.yaml` and `SYSTEM`.
    """
    environ = os.environ if environ is None else environ
    home = _home(environ) if home is None else home
    path = find(path, environ=environ, home=home)
    document = parse(_text(path), printable(str(path)))
    _warn_if_anyone_may_write(document, path)
    return resolve(document, Surroundings(environ, home, path.absolute().parent))


def fileless(
    app_id: str,
    to: str,
    *,
    environ: Mapping[str, str] | None = None,
    home: Path | None = None,
    mode: str = "auto",
    authorization_server: str | None = None,
    scope: str | None = None,
    fields: tuple[str, str] = ("client_id", "client_secret"),
) -> Settings:
    """Return settings with one target, written to `to` (`mount/path`); all else is from the environment."""
    environ = os.environ if environ is None else environ
    home = _home(environ) if home is None else home
    document = Document("the command line")
    mount, _, path = to.strip("/").partition("/")
    document.data = {
        "policies": {"default": {"mode": mode}},
        "targets": {
            app_id: {
                "app_id": app_id,
                "verify": {"authorization_server": authorization_server, "scope": scope},
                "write_to": [
                    {"mount": mount, "path": path, "fields": {"client_id": fields[0], "client_secret": fields[1]}}
                ],
            }
        },
    }
    _name_options(document, app_id)
    return resolve(document, Surroundings(environ, home, Path.cwd()))


def control_socket(
    path: Path | None = None, *, environ: Mapping[str, str] | None = None, home: Path | None = None
) -> Path:
    """Return where the daemon of a configuration is reached, be the rest of it for others to read, or wrong.

    Whoever may only ask the daemon has none of the secrets that the configuration names.
    """
    environ = os.environ if environ is None else environ
    if named := environ.get(f"{PREFIX}CONTROL__SOCKET"):
        return Path(named)
    home = _home(environ) if home is None else home
    try:
        path = find(path, environ=environ, home=home)
    except ConfigError:
        return places.control_socket(environ)
    named = parse(_text(path), printable(str(path))).get(("control", "socket"))
    return Path(named) if isinstance(named, str) and named else places.control_socket(environ)


def _name_options(document: Document, app_id: str) -> None:
    target: tuple[Any, ...] = ("targets", app_id)
    destination = (*target, "write_to", 0)
    document.origins = {
        target: Origin("--app"),
        destination: Origin("--to"),
        (*target, "verify", "authorization_server"): Origin("--authorization-server"),
        (*target, "verify", "scope"): Origin("--scope"),
    }


def find(path: Path | None, *, environ: Mapping[str, str], home: Path) -> Path:
    """Return the configuration's path; `ConfigError` with where it was looked for."""
    if path is not None:
        return path
    if named := environ.get("ROTATOR_CONFIG"):
        return Path(named)
    candidates = (_user_file(environ, home), SYSTEM)
    for candidate in candidates:
        if candidate.exists():
            return candidate
    looked = " or ".join(str(candidate) for candidate in candidates)
    raise ConfigError(
        [f"there is no configuration at {looked}; begin one with `rotator config init`, or give --config"]
    )


def exists(*, environ: Mapping[str, str] | None = None, home: Path | None = None) -> bool:
    """Say whether there is a configuration to be found, or one is named that should be there."""
    environ = os.environ if environ is None else environ
    if environ.get("ROTATOR_CONFIG"):
        return True
    return any(each.exists() for each in (_user_file(environ, _home(environ) if home is None else home), SYSTEM))


def _user_file(environ: Mapping[str, str], home: Path) -> Path:
    folder = environ.get("XDG_CONFIG_HOME", "")
    return (Path(folder) if folder.startswith("/") else home / ".config") / "rotator" / "config.yaml"


def _home(environ: Mapping[str, str]) -> Path:
    return Path(environ.get("HOME") or "/")


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError([f"{path} is no plain file; give the configuration's own path"])
        with path.open("rb") as file:
            raw = file.read(LONGEST + 1)
    except (OSError, ValueError) as failure:
        reason = (getattr(failure, "strerror", None) or "no usable name").lower()
        raise ConfigError([f"{path} cannot be read ({reason}); check the path and its permissions"]) from failure
    if len(raw) > LONGEST:
        raise ConfigError([f"{path} is larger than {LONGEST // 1024} KiB; that is no configuration"])
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as failure:
        line = raw[: failure.start].count(b"\n") + 1
        # Not chained: the error holds the whole file.
        raise ConfigError([f"{path}:{line}: this is not UTF-8; save the file as UTF-8"]) from None


def _warn_if_anyone_may_write(document: Document, path: Path) -> None:
    if path.stat().st_mode & stat.S_IWOTH:
        document.warn((), "everybody on this machine may change this file; `chmod o-w` it")
