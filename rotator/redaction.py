"""The last step before text leaves the process: what is, or looks like, a secret is cut out of it.

* Values we know are cut out wherever they stand, whole or percent-encoded. Whoever reads one registers it by `hide`.
* Values we do not know are recognised by their form or by the name before them. That is a net under the other rules,
  not one of them: secrets are a type (`rotator.core.secret_value`) and never get here.
"""

from __future__ import annotations

import re
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
    r"|x-vault-token)['\"]?\s*[=:]\s*['\"]?)(?!ocs)[^\s'\"&,;}\[<]{4,}",
    re.IGNORECASE,
)
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
        self._known: re.Pattern[str] | None = None  # made of `_hidden` when it is first needed

    def hide(self, text: str) -> None:
        """Cut `text` out of everything from now on, line by line if it has several."""
        for line in text.splitlines():
            part = line.strip()
            if len(part) >= _SHORTEST and part not in self._hidden:
                self._hidden |= {part: None, quote(part, safe=""): None}
                self._known = None
        for oldest in list(self._hidden)[:-_REMEMBERED]:
            del self._hidden[oldest]

    def redact(self, text: str) -> str:
        """Return `text` without secrets."""
        text = _SCHEME.sub(rf"\1\2{REDACTED}", _PEM.sub(REDACTED, text))
        return self.redact_values(_NAMED.sub(rf"\1{REDACTED}", text))

    def redact_values(self, text: str) -> str:
        """Return `text` without what is a secret by itself, whatever stands before it: for prose of our own."""
        if self._hidden:
            text = self._pattern().sub(REDACTED, text)
        text = _VAULT_TOKEN.sub(REDACTED, text)
        text = _JWT.sub(REDACTED, text)
        return _RANDOM.sub(REDACTED, text)

    def _pattern(self) -> re.Pattern[str]:
        if self._known is None:
            longest_first = sorted(self._hidden, key=len, reverse=True)
            self._known = re.compile("|".join(map(re.escape, longest_first)))
        return self._known


_PROCESS = Redactor()  # one per process, as its streams are
hide = _PROCESS.hide
redact = _PROCESS.redact
redact_values = _PROCESS.redact_values
