"""The checks of the pre-flight at Vault: of a Vault and our login there, and of a target's keys. Pure.

* Rights are compared with the least policy, both ways: what is missing fails, what is too much warns.
* What would let the secret in use, or a staging record, disappear by itself fails; kept versions that are too few warn.
* A mount's own settings may not be read under the least policy: what a version says of its end counts instead.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from rotator.core import vault_rights
from rotator.core.model import KvMetadata
from rotator.core.preflight_facts import MountDefaults, NotAsked, TokenLife
from rotator.core.preflight_said import (
    Said,
    Verdict,
    answering,
    broken,
    cannot_tell,
    certificate,
    clocks,
    failed,
    listed,
    ok,
    span_of,
    warning,
)
from rotator.errors import RefusedError, RotatorError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from rotator.core.preflight_facts import Answer, KeyFacts, TargetFacts, VaultFacts

SHORT_LIFE = timedelta(minutes=2)  # a promotion wants a minute of it
FEW_VERSIONS = 2
VERSIONS_BY_DEFAULT = 10
MOST_NAMED = 5
_WORSE = (Verdict.OK, Verdict.CANNOT_TELL, Verdict.WARNING, Verdict.FAILED)
UNSET = "Set `delete_version_after` to 0 on the mount and on the key; then write the value once more."
LEAST_POLICY = "`rotator policy vault` prints the least policy"


# --- A Vault ------------------------------------------------------------------------------------------------


def reachable(vault: VaultFacts) -> Said | None:
    return answering(vault.handshake, vault.health)


def tls(vault: VaultFacts) -> Said | None:
    return certificate(vault.handshake, vault.now)


def clock(vault: VaultFacts) -> Said | None:
    if isinstance(vault.health, RotatorError | NotAsked):
        return None
    return clocks(vault.now, vault.health.at, signed=False)


def seal(vault: VaultFacts) -> Said | None:
    if isinstance(vault.health, RotatorError | NotAsked):
        return None
    if not vault.health.initialized:
        return Said(Verdict.FAILED, "it is not initialised", "Initialise it, then unseal it.", outage=True)
    if vault.health.sealed:
        return Said(Verdict.FAILED, "it is sealed", "Unseal it; the next run goes on by itself.", outage=True)
    return ok(f"{'a standby' if vault.health.standby else 'active'}, version {vault.health.version}")


def login(vault: VaultFacts) -> Said | None:
    match vault.login:
        case NotAsked():
            return None
        case RotatorError() as error:
            return broken(error)
    if isinstance(vault.token, RefusedError) and isinstance(vault.rights, RefusedError):
        return failed(
            f"our token may not even ask about itself: {vault.token}",
            f"If it is dead, give a new one; else {LEAST_POLICY} that it needs.",
        )
    return ok("a token that we were given" if vault.given else "logged in")


def token_life(vault: VaultFacts) -> Said | None:
    match vault.token:
        case NotAsked():
            return None
        case RefusedError():
            if isinstance(vault.rights, RefusedError):
                return None  # the login has said it
            return warning(
                "our policy does not let the token look at itself", f"{LEAST_POLICY}: it has `auth/token/lookup-self`."
            )
        case RotatorError() as error:
            return broken(error)
        case TokenLife() as token:
            return _life(vault, token)


def more_rights(vault: VaultFacts) -> Said | None:
    if isinstance(vault.token, TokenLife) and "root" in vault.token.policies:
        return warning("our token is a root token", f"Make a role of its own for it; {LEAST_POLICY}.")
    if isinstance(vault.rights, RotatorError | NotAsked):
        return None
    extra = sorted(
        f"`{capability}` on {path}"
        for path, held in vault.rights.items()
        for capability in held - vault.needed.get(path, frozenset()) - {"deny"}
    )
    if not extra:
        return ok("nothing beyond what is needed on our paths")
    more = f" and {len(extra) - MOST_NAMED} more" if len(extra) > MOST_NAMED else ""
    return warning(f"more than needed: {', '.join(extra[:MOST_NAMED])}{more}", f"Take it away; {LEAST_POLICY}.")


# --- A target -----------------------------------------------------------------------------------------------


def kv_mount(facts: TargetFacts) -> Said | None:
    mounts = {each.path.mount: each.mount for each in facts.keys} | {facts.target.staging.mount: facts.staging_mount}
    if any(isinstance(each, NotAsked) for each in mounts.values()):
        return None
    for each in mounts.values():
        if isinstance(each, RotatorError):
            return broken(each)
    return ok(f"KV version 2 at {listed(f'{mount}/' for mount in mounts)}")


def rights(facts: TargetFacts) -> Said | None:
    match facts.rights:
        case NotAsked():
            return None
        case RefusedError():
            return cannot_tell(
                "our policy does not let the token ask what it may", f"{LEAST_POLICY}: it has `sys/capabilities-self`."
            )
        case RotatorError() as error:
            return broken(error)
    missing = [_missing(rule, facts.rights) for rule in vault_rights.of_target(facts.target)]
    lacking = ", ".join(each for each in missing if each)
    if not lacking:
        return ok(f"all that are needed on {'all' if facts.also else 'both'} paths")
    if _lacks_only_create(facts):
        return warning(f"{lacking} is missing; it is needed only if the key is removed", f"{LEAST_POLICY}.")
    return failed(f"missing: {lacking}", f"Give it to our token; {LEAST_POLICY}.")


def expiry(facts: TargetFacts) -> Said | None:
    """Look for what makes the secret in use, or a staging record, disappear by itself."""
    if any(isinstance(each, NotAsked) for each in (*(it.key for it in facts.keys), facts.staging)):
        return None
    for each in (*(it.key for it in facts.keys), facts.staging):
        if isinstance(each, RotatorError):
            return broken(each)
    target = facts.target
    for path, key in (*((it.path, it.key) for it in facts.keys), (target.staging, facts.staging)):
        if isinstance(key, KvMetadata) and (ends := _latest_ends(key)) is not None:
            return failed(f"version {key.current} of {path} deletes itself at {ends:%Y-%m-%d %H:%M} UTC", UNSET)
    if span := _deletes_after(facts.staging, facts.staging_defaults):
        return failed(f"the staging record {target.staging} is to delete itself after {span_of(span)}", UNSET)
    return _worst([_expiry_of(each, target.policy.rotate_after) for each in facts.keys])


def _expiry_of(each: KeyFacts, rotate_after: timedelta) -> Said:
    span = _deletes_after(each.key, each.defaults)
    if span and span <= rotate_after:
        return failed(f"{each.path} is to delete itself after {span_of(span)}, before it is rotated", UNSET)
    if span:
        return warning(f"{each.path} is to delete itself after {span_of(span)}: one rotation late is gone", UNSET)
    if each.key is None and not isinstance(each.defaults, MountDefaults):
        return cannot_tell(
            f"nothing is written to {each.path} yet, and the mount's own setting may not be read",
            f"Have an operator look: vault read {each.path.mount}/config. The first write tells as well.",
        )
    return ok("not set" if each.key is not None else "not set on the mount; the key is not written yet")


def versions(facts: TargetFacts) -> Said | None:
    if any(isinstance(each.key, RotatorError | NotAsked) for each in facts.keys):
        return None
    return _worst([_versions_of(each) for each in facts.keys])


def _versions_of(each: KeyFacts) -> Said:
    known = each.key if isinstance(each.key, KvMetadata) else None
    mount = each.defaults.max_versions if isinstance(each.defaults, MountDefaults) else None
    kept = max(known.max_versions if known else 0, mount or 0) or VERSIONS_BY_DEFAULT
    if kept > FEW_VERSIONS:
        return ok(f"{kept} versions are kept{', compare-and-set is required' if known and known.cas_required else ''}")
    doubt = ", unless the mount keeps more" if mount is None else ""
    return warning(
        f"{each.path} keeps {kept} version{'s' * (kept != 1)}{doubt}: what was there before is lost",
        f"vault kv metadata put -mount={each.path.mount} -max-versions=10 {each.path.path}",
    )


# --- Parts of them ------------------------------------------------------------------------------------------


def _worst(said: Sequence[Said]) -> Said:
    """Return what is said of one key, the worst of them, and the first of those."""
    return max(said, key=lambda each: _WORSE.index(each.verdict))


def _life(vault: VaultFacts, token: TokenLife) -> Said:
    if token.uses and vault.given:
        return failed(f"good for {token.uses} more calls only", "Give a token without `num_uses`.")
    if token.uses:
        return warning(f"each login is good for {token.uses} calls only", "Set `token_num_uses` of the role to 0.")
    if token.left is None:
        return warning("it never ends", "Use a role with `token_ttl`, or a periodic token.")
    lives = f"lives {span_of(token.left)}"
    if vault.given and not token.renewable:
        return warning(f"{lives}, and cannot be renewed", "Put a new one in its place before that, or use a role.")
    if vault.once and not token.periodic:
        return warning(
            f"{lives}, is renewed up to the role's `token_max_ttl`; then the wrapped secret id must log in again",
            "Set `token_period` of the role, or let its `secret_id_num_uses` and `secret_id_ttl` allow another login.",
        )
    if token.left < SHORT_LIFE:
        return warning(f"{lives}, which a slow call outlives", "Set `token_ttl` of the role to 20m.")
    return ok(f"{lives}, {'renewable' if token.renewable else 'then we log in anew'}")


def _missing(rule: vault_rights.Rule, held: Mapping[str, frozenset[str]]) -> str:
    have = held.get(rule.path, frozenset())
    lacking = [] if "root" in have else [each for each in rule.capabilities if each not in have]
    return f"{' and '.join(f'`{each}`' for each in lacking)} on {rule.path}" if lacking else ""


def _lacks_only_create(facts: TargetFacts) -> bool:
    """Whether all that is missing is `create` on consumer paths, where there is a key already."""
    assert not isinstance(facts.rights, RotatorError | NotAsked)
    granted = dict(facts.rights)
    for each in facts.keys:
        if isinstance(each.key, KvMetadata):
            data = vault_rights.on_consumer_path(each.path)[0].path
            granted[data] = granted.get(data, frozenset()) | {"create"}
    return not any(_missing(rule, granted) for rule in vault_rights.of_target(facts.target))


def _latest_ends(key: KvMetadata) -> datetime | None:
    latest = key.versions.get(key.current)
    return latest.ends if latest is not None and not latest.deleted else None


def _deletes_after(key: Answer[KvMetadata | None], defaults: Answer[MountDefaults]) -> timedelta | None:
    """Return after how long a new version deletes itself; a negative span on the mount switches that off for all."""
    spans = [key.delete_version_after] if isinstance(key, KvMetadata) else []
    if isinstance(defaults, MountDefaults):
        if defaults.delete_version_after < timedelta(0):
            return None
        spans.append(defaults.delete_version_after)
    return min((span for span in spans if span > timedelta(0)), default=None)
