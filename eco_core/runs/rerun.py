"""Running the spec of a run folder again: are the data where they were, and are they the same?"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eco_core.data.source import is_path
from eco_core.errors import DataError, Problem
from eco_core.model.fingerprint import graph_fingerprint
from eco_core.results.folder import ENVIRONMENT, SPEC


def check_data_exist(source: str | None, spec: Any, data: Any) -> None:
    """Checks that the data that a spec file names by path exist.

    Args:
        source: The place of the data in the resolved spec.
        spec: What was given as spec; only files are checked.
        data: The data section of the file; other data, given by flags, are not checked.

    Raises:
        DataError: ECO301, if the data are gone.
    """
    if not isinstance(spec, (str, Path)) or source is None or source != _name(data) or not is_path(source):
        return
    path = Path(source).expanduser()
    if path.exists():
        return
    raise DataError(
        Problem(
            "ECO301",
            f"The data of {spec} are gone: there is no file or folder {str(path)!r}.",
            "Name their new place with --data PATH (data= in Python), or mend data.name in the spec: a relative path "
            "starts at the folder of the spec.",
        )
    )


def earlier_fingerprint(source: str | None, spec: Any, data: Any) -> str:
    """The fingerprint of the data that the run of a spec was made of; empty if the spec is not that of a run.

    Args:
        source: The place of the data in the resolved spec.
        spec: What was given as spec.
        data: The data section of the file; other data, given by flags, have no earlier fingerprint.
    """
    if not isinstance(spec, (str, Path)) or source is None or source != _name(data):
        return ""
    path = Path(spec).expanduser()
    if path.name != SPEC:
        return ""
    try:
        found = json.loads((path.parent / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    value = found.get("data_fingerprint") if isinstance(found, dict) else None
    return value if isinstance(value, str) else ""


def change_of_data(graph: Any, earlier: str, spec: Any) -> str | None:
    """A sentence if a graph is not the one that an earlier run was made of; else None.

    Args:
        graph: The graph as it was loaded.
        earlier: The fingerprint of the earlier graph; empty: unknown.
        spec: The spec of the earlier run.
    """
    if not earlier or graph_fingerprint(graph, with_ids=True) == earlier:
        return None
    return (
        f"The data have changed since the run of {spec}: ids, features or edges differ, so its clusters may not come "
        "back."
    )


def _name(data: Any) -> Any:
    return data.get("name") if isinstance(data, Mapping) else data


__all__ = ["change_of_data", "check_data_exist", "earlier_fingerprint"]
