"""``eco schema``: the JSON Schema of ``spec.yaml``, with the parameters of every installed component."""

from __future__ import annotations

from eco_core.cli.output import discover, print_json
from eco_core.spec.schema import spec_schema


def schema() -> None:
    """Print the JSON Schema of a spec, for editors and validators."""
    print_json(spec_schema(discover()))
