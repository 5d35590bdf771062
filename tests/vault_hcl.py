"""A policy as it is written for Vault, read for the emulator."""

from __future__ import annotations

import json
import re

RULE = re.compile(r'path "([^"]+)" \{ capabilities = \[([^]]*)\] \}')

Rules = dict[str, tuple[str, ...]]


def rules_in(hcl: str) -> Rules:
    """Read the subset of HCL that our policies are written in; anything else is refused."""
    rules: Rules = {}
    for line in hcl.splitlines():
        if not line or line.startswith("#"):
            continue
        found = RULE.fullmatch(line)
        assert found, f"not a rule in one line: {line}"
        assert found[1] not in rules, f"twice: {found[1]}"
        rules[found[1]] = tuple(json.loads(f"[{found[2]}]"))
    return rules
