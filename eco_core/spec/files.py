"""Reads a spec from a file, a text or a mapping."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eco_core.errors import Problem, SpecError
from eco_core.spec.data_paths import resolved_data
from eco_core.spec.yaml_io import load_yaml


def parse_spec(text: str, source: str) -> dict[str, Any]:
    """Parses the YAML of a spec.

    Raises:
        SpecError: ECO106, if the text is not a YAML mapping.
    """
    spec = load_yaml(text, source)
    if spec is None:
        return {}
    if not isinstance(spec, dict):
        raise SpecError(
            Problem(
                "ECO106",
                f"{source} holds {type(spec).__name__}; a spec is a mapping.",
                "Write keys such as 'encoder: {name: gat}'. 'eco schema' prints all of them.",
            )
        )
    return spec


def read_spec(spec: Mapping[str, Any] | str | Path | None) -> dict[str, Any]:
    """Reads a spec file, or copies a mapping.

    Paths of data in a file may be relative to its folder, or to the current folder; see
    `eco_core.spec.data_paths.resolved_data`.

    Raises:
        SpecError: ECO106, if there is no such file or it is not a spec.
    """
    if spec is None:
        return {}
    if isinstance(spec, Mapping):
        return dict(spec)
    path = Path(spec).expanduser()
    try:
        found = parse_spec(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not a text file"
        raise SpecError(
            Problem(
                "ECO106", f"Spec {path} cannot be read: {reason}.", "Give the path of a YAML file; 'eco schema' helps."
            )
        ) from error
    if "data" in found:
        found["data"] = resolved_data(found["data"], path.parent)
    return found
