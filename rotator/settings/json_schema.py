"""The JSON Schema that editors read."""

from __future__ import annotations

import json
from typing import Any

from rotator.settings.schema import Configuration

_ALIASED = {"okta": "OrgSection", "vaults": "VaultSection"}


def json_schema() -> dict[str, Any]:
    """Return the schema of a configuration file, with the short forms that it may have."""
    schema = Configuration.model_json_schema(by_alias=True)
    for key, section in _ALIASED.items():
        prop = schema["properties"][key]
        several = {"type": prop.pop("type"), "additionalProperties": prop.pop("additionalProperties")}
        prop["anyOf"] = [{"$ref": f"#/$defs/{section}"}, several]
    definitions = schema["$defs"]
    overlap = definitions["PolicySection"]["properties"]["overlap"]
    alone = definitions["OverlapSection"]["properties"]["min"]
    overlap["anyOf"] = [{"type": alone["type"], "pattern": alone["pattern"]}, {"$ref": overlap.pop("$ref")}]
    for section in (schema, *definitions.values()):
        for prop in section["properties"].values():
            prop.pop("title", None)  # the key again, in other letters
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def json_schema_text() -> str:
    """Return the schema as the file that ships."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"
