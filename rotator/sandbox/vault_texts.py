"""Vault's error texts, word for word, in one table (contracts: Vault 1.4, 3.1-3.3). Where the flavours differ, both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Flavour = Literal["vault", "openbao"]

PERMISSION_DENIED: Final = "permission denied"
MISSING_TOKEN: Final = "missing client token"  # noqa: S105 (an error text)
INVALID_TOKEN: Final = "invalid token"  # noqa: S105 (an error text)
SEALED: Final = "Vault is sealed"
NOT_IN_NAMESPACE: Final = "operation unavailable in namespaces"
NAMESPACE_UNKNOWN: Final = "namespace not found"
NAMESPACES_OFF: Final = "namespaces feature not enabled"
TRAILING_SLASH: Final = "cannot write to a path ending in '/'"
RELATIVE_PATH: Final = "relative paths not supported"
UNSUPPORTED_OPERATION: Final = "unsupported operation"
STALE_INDEX: Final = "required index state not present"
BODY_TOO_LARGE: Final = "http: request body too large"

CAS_MISMATCH: Final = "check-and-set parameter did not match the current version"
CAS_REQUIRED: Final = "check-and-set parameter required for this call"
CAS_UNREADABLE: Final = "error parsing check-and-set parameter"
NO_DATA: Final = "no data provided"
NO_VERSIONS: Final = "No version number provided"
NO_VERSIONS_TO_DESTROY: Final = "no version number provided"
MISSING_PATH: Final = "missing path"
MISSING_FIELDS: Final = "missing data fields"
METADATA_CAS_REQUIRED: Final = "metadata check-and-set parameter required for this call"
METADATA_CAS_MISMATCH: Final = "metadata check-and-set parameter does not match the current version"
METADATA_CAS_NOT_ZERO: Final = "metadata_cas must be 0 when creating new metadata"
UPGRADING: Final = (
    "Upgrading from non-versioned to versioned data. This backend will be unavailable for a brief period and will"
    " resume service shortly."
)
CUSTOM_METADATA: Final = "custom_metadata validation failed: "
CAS_MANDATED: Final = '"{field}" set to false, but is mandated by backend config. This value will be ignored.'

NO_VERSION_DATA: Final = "could not find version data"
NO_RESOURCE: Final = "resource does not exist"
INTERNAL_ONLY: Final = "cannot handle internal-only request operation"
NO_LISTING_OF_ROOT: Final = "Non-listing operations on the root of a K/V v2 mount are not supported."
_NOT_VERSIONED: Final = (
    "Invalid path for a versioned K/V secrets engine. See the API docs for the appropriate API endpoints to use. If"
    " using the {product} CLI, use '{command} kv {verb}' for this operation."
)

LEASE_NOT_RENEWABLE: Final = "lease is not renewable"
BATCH_NOT_RENEWABLE: Final = "batch tokens cannot be renewed"
PAST_MAX_TTL: Final = "past the max TTL, cannot renew"
WRAPPING_TOKEN_INVALID: Final = "wrapping token is not valid or does not exist"  # noqa: S105 (an error text)
WRAPPING_TOKEN_EMPTY: Final = "error validating wrapping token: token is empty"  # noqa: S105 (an error text)
WRAP_TTL_UNREADABLE: Final = "error parsing X-Vault-Wrap-TTL header: "
BATCH_NOT_REVOKED: Final = "batch tokens cannot be revoked"
MISSING_ROLE_ID: Final = "missing role_id"
MISSING_SECRET_ID: Final = "missing secret_id"  # noqa: S105 (an error text)
INVALID_APPROLE: Final = "invalid role or secret ID"
UNSUPPORTED_PATH: Final = "unsupported path"
ROOT_NAMESPACE_ONLY: Final = "operation only available in root namespace"
DR_SECONDARY: Final = "path disabled in replication DR secondary mode"
TOO_COMPLEX: Final = "refused JSON input due to high complexity: exceeded maximum number of strings"
NO_PATHS: Final = "paths must be supplied"


def not_versioned(verb: str, flavour: Flavour) -> str:
    """Return the warning for a path that is none of a KV v2 mount."""
    product, command = ("OpenBao", "bao") if flavour == "openbao" else ("Vault", "vault")
    return _NOT_VERSIONED.format(product=product, command=command, verb=verb)


def no_handler(path: str) -> str:
    """Return the error for a path under no mount."""
    return f'no handler for route "{path}". route entry not found.'


def merge_patch_only(given: str) -> str:
    """Return the error for a PATCH of another content type."""
    return f"PATCH requires Content-Type of application/merge-patch+json, provided {given}"


def preflight(path: str) -> str:
    """Return the error of the mounts lookup, the same for no access and for no mount."""
    return f'preflight capability check returned 403, please ensure client\'s policies grant access to path "{path}"'


def bad_token(flavour: Flavour) -> str:
    """Return the error for a token that is unknown, expired or revoked, or for none at all."""
    return PERMISSION_DENIED if flavour == "openbao" else multierror(PERMISSION_DENIED, INVALID_TOKEN)


def ttl_capped(wanted: str, left: str) -> str:
    """Return the warning of a lease that got less than was asked."""
    return f'TTL of "{wanted}" exceeded the effective max_ttl of "{left}"; TTL value is capped accordingly'


def unrecognized(fields: Sequence[str]) -> str:
    """Return the warning for fields that nobody knows."""
    return f"Endpoint ignored these unrecognized parameters: [{' '.join(fields)}]"


def unmarshal(what: str, field: str, kind: str) -> str:
    """Return the error of a PATCH whose result does not fit the stored metadata."""
    return f"json: cannot unmarshal {what} into Go struct field KeyMetadata.{field} of type {kind}"


def over_quota(path: str) -> str:
    """Return the error of a rate limit quota."""
    return f'request path "{path}": rate limit quota exceeded'


def multierror(*messages: str) -> str:
    """Join messages the way Go's multierror prints them."""
    count = len(messages)
    head = "1 error occurred:" if count == 1 else f"{count} errors occurred:"
    return head + "\n" + "\n".join(f"\t* {message}" for message in messages) + "\n\n"
