"""`rotator config`: begin a configuration, check it, and see what became of it."""

from __future__ import annotations

from pathlib import Path

import rich_click as click

from rotator.cli.options import Invocation, config_option, output_option
from rotator.cli.output import print_json, print_table, write_new


@click.group()
def config() -> None:
    """Check, show or begin a configuration."""


@config.command()
@config_option
@output_option
@click.pass_obj
def validate(invocation: Invocation, output: str) -> int:
    """Check the configuration, the environment and the files it names; Okta and Vault are not asked."""
    settings = invocation.settings()
    counts = {
        "orgs": len(settings.orgs),
        "vaults": len(settings.vaults),
        "policies": len(settings.policies),
        "targets": len(settings.targets),
        "selections": len(settings.selections),
    }
    if output == "json":
        print_json({"valid": True, **counts, "warnings": list(settings.warnings)})
    else:
        counted = [_counted(number, word) for word, number in counts.items() if number or word == "targets"]
        print(", ".join(counted) + ": all fine")
    return 0


@config.command()
@config_option
@output_option
@click.pass_obj
def show(invocation: Invocation, output: str) -> int:
    """Show every setting and where it comes from. Secrets are not shown, only where they lie."""
    settings = invocation.settings()
    if output == "json":
        print_json([{"key": each.key, "value": each.value, "source": each.source} for each in settings.shown])
    else:
        print_table(("SETTING", "VALUE", "SOURCE"), [(each.key, each.value, each.source) for each in settings.shown])
    return 0


@config.command()
def schema() -> int:
    """Print the JSON Schema of the configuration, for editors."""
    from rotator.settings.json_schema import json_schema_text

    print(json_schema_text(), end="")
    return 0


@config.command()
@click.argument("file", type=click.Path(path_type=Path), default=Path("rotator.yaml"))
def init(file: Path) -> int:
    """Write a commented configuration to begin with, and its JSON Schema beside it."""
    from rotator.settings.json_schema import json_schema_text
    from rotator.settings.starter import STARTER

    write_new(file, STARTER)
    schema_file = file.with_name("rotator.schema.json")
    if not schema_file.exists():
        write_new(schema_file, json_schema_text())
    print(f"wrote {file}; fill it in, then run: rotator config validate --config {file}")
    return 0


def _counted(number: int, plural: str) -> str:
    singular = "policy" if plural == "policies" else plural.removesuffix("s")
    return f"{number} {singular if number == 1 else plural}"
