"""Reads a run folder back as a fitted model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eco_core.errors import Problem, RunFolderError
from eco_core.registry.registry import Registry
from eco_core.spec.files import read_spec

if TYPE_CHECKING:
    from eco_core.model.composition import Composition


def load(folder: str | Path, *, registry: Registry | None = None, **parts: Any) -> Composition:
    """Reads a run folder back as a fitted model.

    Args:
        folder: A folder that `run`, `Composition.save` or ``eco compose`` wrote.
        registry: Where names are looked up; default all installed plugins.
        **parts: ``encoder``, ``objective``, ``head`` or ``strategy``: classes or instances of parts that are not
            registered. All other parts are found by their names in ``spec.yaml``.

    Returns:
        The fitted model, in evaluation mode.

    Raises:
        RunFolderError: ECO403, if files are missing or unreadable.
        CompositionError: If a part is no longer installed.
    """
    from eco_core.data.tables.encoding import read_encoding
    from eco_core.model.composition import Composition
    from eco_core.plan.plan import plan_run
    from eco_core.results.folder import MODEL, SPEC, check_finished, read_run
    from eco_core.runs.rerun import earlier_fingerprint

    path = Path(folder).expanduser()
    check_finished(path)
    registry = registry or Registry.discover()
    spec = read_spec(path / SPEC)
    for kind, part in parts.items():
        named = spec.get(kind)
        keep = named if isinstance(named, Mapping) and isinstance(part, type) else {}
        spec[kind] = {**keep, "name": part}
    model = Composition(plan_run(registry, spec=spec))
    stored = read_run(path)
    try:
        model.build(in_channels=stored.facts["in_channels"], num_nodes=stored.facts["num_nodes"])
        model.load_state_dict(stored.state)
    except (KeyError, TypeError, RuntimeError) as error:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{path / MODEL} does not fit its spec.yaml: {error}",
                "Load it with the versions in environment.json, or run spec.yaml again.",
            )
        ) from error
    model.clustering_ = stored.clustering
    model.data_fingerprint = earlier_fingerprint(model.plan.spec.data.name, path / SPEC, spec.get("data"))
    model.take_encoding(read_encoding(path))
    return model.eval()
