"""The last step before text leaves the process: what is, or looks like, a secret is cut out of it.

* Values we know are cut out wherever they stand, whole or percent-encoded. Whoever reads one registers it by `hide`.
* Values we do not know are recognised by their form or by the name before them. That is a net under the other rules,
  not one of them: secrets are a type (`rotator.core.secret_value`) and never get here.
"""

from __future__ import annotations

import re
from threading import Lock
from urllib.parse import quote

REDACTED = "[redacted]"
_SHORTEST = 8  # a shorter value would blacken ordinary words
_REMEMBERED = 1024  # logins repeat for years: forget the oldest

_PEM = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)", re.DOTALL)
# A digit or a sign tells a credential from a word: "Basic authentication" stays.
_SCHEME = re.compile(r"\b(SSWS|Bearer|DPoP|Basic)(\s*)(?=[A-Za-z._~-]*[0-9+/=])[A-Za-z0-9+/=._~-]{8,}", re.IGNORECASE)
# `ocs…` is Okta's name for a secret, and we log it.
_NAMED = re.compile(
    r"\b((?:client_secret|secret_id|client_assertion|access_token|id_token|refresh_token|password|private_key"
    r"|x-vault-token)['\"]?\s*[=:]\s*['\"]?)(?!ocs|null\b|none\b)[^\s'\"&,;}\[<]{4,}",
    re.IGNORECASE,
)
# Pydantic shows the ends of a long value, and leaves its middle out: what is left is not known by its form any more.
_INPUT = re.compile(r"(\binput_value=).*?(?=, input_type=)", re.DOTALL)
_VAULT_TOKEN = re.compile(r"\b(?:hv[sbr]|[sbr])\.[A-Za-z0-9_-]{20,}")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+")
# Okta's secrets are 40 or 64 characters of this alphabet, ours are 64; ids and hashes are shorter, digests lower case.
_RANDOM = re.compile(
    r"(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]*[a-z])(?=[A-Za-z0-9_-]*[A-Z])(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{40,}"
)


class Redactor:
    """What to cut out of text."""

    def __init__(self) -> None:
        """Begin with the forms alone."""
        self._hidden: dict[str, None] = {}
        self._longest_first: tuple[str, ...] = ()
        self._hiding = Lock()  # whoever reads a secret in a thread hides it there

    def hide(self, text: str) -> None:
        """Cut `text` out of everything from now on, line by line if it has several."""
        parts = [part for line in text.splitlines() if len(part := line.strip()) >= _SHORTEST]
        with self._hiding:
            if all(part in self._hidden for part in parts):
                return
            self._hidden |= {form: None for part in parts for form in (part, quote(part, safe=""))}
            for oldest in list(self._hidden)[:-_REMEMBERED]:
                del self._hidden[oldest]
            self._longest_first = tuple(sorted(self._hidden, key=len, reverse=True))

    def redact(self, text: str) -> str:
        """Return `text` without secrets."""
        text = _INPUT.sub(rf"\1{REDACTED}", _PEM.sub(REDACTED, text))
        text = _SCHEME.sub(rf"\1\2{REDACTED}", text)
        return self.redact_values(_NAMED.sub(rf"\1{REDACTED}", text))

    def redact_values(self, text: str) -> str:
        """Return `text` without what is a secret by itself, whatever stands before it: for prose of our own."""
        # One by one: a pattern of a thousand values takes 40 ms to compile, and each rotation adds one.
        for value in self._longest_first:
            text = text.replace(value, REDACTED)
        text = _VAULT_TOKEN.sub(REDACTED, text)
        text = _JWT.sub(REDACTED, text)
        return _RANDOM.sub(REDACTED, text)


_PROCESS = Redactor()  # one per process, as its streams are
hide = _PROCESS.hide
redact = _PROCESS.redact
redact_values = _PROCESS.redact_values
