"""The shape of `hooks`: what is run after a promotion.

The descriptions are what editors show: the JSON Schema is made from here.
"""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from rotator.settings.kinds import HookTime, ProxyUrl, Text, Words, check_url
from rotator.settings.schema_connections import SECRET, Section, written

MOST_HOOKS = 8  # of one target: they run one after the other
_LONGEST_ARGUMENT = 4096
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_GIVEN = frozenset({"PATH", "LANG"})
_LOGINS = frozenset({"OKTA_CLIENT_TOKEN", "OKTA_CLIENT_PRIVATEKEY", "VAULT_TOKEN"})


def _check_argument(value: str) -> str:
    if "\0" in value:
        raise ValueError("has a character in it that ends a text; remove it")
    if len(value) > _LONGEST_ARGUMENT:
        raise ValueError(f"is longer than {_LONGEST_ARGUMENT} characters; put it into a file, and name that")
    return value


def _check_variable(value: str) -> str:
    if not _VARIABLE.fullmatch(value):
        raise ValueError("is no name of a variable; write the name alone, without a value")
    if value in _GIVEN or value.startswith("ROTATOR_"):
        raise ValueError("is set for every hook, or one of our own; choose another")
    if value in _LOGINS:
        raise ValueError("is a login of ours; give the command one of its own, under another name")
    return value


def _check_hook_url(value: str) -> str:
    if len(value) > _LONGEST_ARGUMENT or not value.isascii() or not value.isprintable() or set(value) & set(' #\\"'):
        raise ValueError("is no URL; write `https://`, the host and the path")
    try:
        parts = urlsplit(value)
    except ValueError:
        raise ValueError("is no URL; write `https://`, the host and the path") from None
    check_url(f"{parts.scheme}://{parts.netloc}")
    return value


Argument = Annotated[str, AfterValidator(_check_argument)]
Variable = Annotated[
    str, AfterValidator(_check_variable), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z_][A-Za-z0-9_]*$"})
]
HookUrl = Annotated[
    str,
    AfterValidator(_check_hook_url),
    WithJsonSchema({"type": "string", "format": "uri", "pattern": '^https?://[^ #\\\\"]+$'}),
]
HookNames = Words


class HookSection(Section):
    """What is run after a promotion: a command, or a webhook."""

    command: list[Argument] | None = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="The program by its whole path, and its arguments. No shell is between.",
    )
    env: list[Variable] | None = Field(
        default=None, max_length=64, description="Names of variables of our environment that the command gets."
    )
    cwd: Text | None = Field(default=None, description="The folder in which the command runs. Absent: the root.")
    url: HookUrl | None = Field(default=None, description="Where a webhook is sent. `https://`, but for loopback.")
    url_file: Text | None = Field(default=None, description=f"Or where the address lies, if it is secret. {SECRET}")
    secret_file: Text | None = Field(default=None, description=f"The secret that signs a webhook. {SECRET}")
    ca_file: Text | None = Field(
        default=None, description="The authorities that may vouch for the webhook's server. Default: the system's."
    )
    proxy: ProxyUrl | None = Field(default=None, description="The proxy on the way there.")
    timeout: HookTime = Field(default=written("30s"), description="How long it may take; then it is ended.")

    @model_validator(mode="after")
    def _one_way(self) -> HookSection:
        ways = [name for name in ("command", "url", "url_file") if getattr(self, name) is not None]
        if len(ways) != 1:
            raise ValueError("must say what is run; write just one of `command`, `url` and `url_file`")
        mine = ("env", "cwd") if ways == ["command"] else ("secret_file", "ca_file", "proxy")
        others = {"env", "cwd", "secret_file", "ca_file", "proxy"} - set(mine)
        if stray := sorted(name for name in others if getattr(self, name) is not None):
            raise ValueError(f"has `{stray[0]}`, which does not go with `{ways[0]}`; remove it")
        if ways != ["command"] and self.secret_file is None:
            raise ValueError("is a webhook that nobody signs; add `secret_file`")
        return self
