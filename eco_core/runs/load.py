"""Reading a run folder back as a fitted model."""

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
        folder: What `run`, `Composition.save` or ``eco compose`` wrote.
        registry: Where names are looked up; default all installed plugins.
        **parts: ``encoder``, ``objective``, ``head`` or ``strategy``: classes or instances of parts that are not
            registered; others are found by the names in ``spec.yaml``.

    Raises:
        RunFolderError: ECO403, if files are missing or unreadable.
        CompositionError: If a part is not installed any more.
    """
    import numpy as np
    import torch

    from eco_core.engine.history import History
    from eco_core.model.composition import Composition
    from eco_core.plan.plan import plan_run
    from eco_core.results import folder as run_folder
    from eco_core.results.assignments import read_assignments

    path = Path(folder)
    missing = [name for name in run_folder.RUN_FILES if name != run_folder.LOG and not (path / name).is_file()]
    if missing:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{path} is not a finished run folder: it has no {', '.join(missing)}.",
                "Give the folder that 'eco compose' printed.",
            )
        )
    registry = registry or Registry.discover()
    spec = read_spec(path / run_folder.SPEC)
    for kind, part in parts.items():
        named = spec.get(kind)
        keep = named if isinstance(named, Mapping) and isinstance(part, type) else {}
        spec[kind] = {**keep, "name": part}
    model = Composition(plan_run(registry, spec=spec))
    try:
        saved = torch.load(path / run_folder.MODEL, map_location="cpu", weights_only=True)
        model.build(in_channels=saved["facts"]["in_channels"], num_nodes=saved["facts"]["num_nodes"])
        model.load_state_dict(saved["state"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise RunFolderError(
            Problem(
                "ECO403",
                f"{path / run_folder.MODEL} does not fit its spec.yaml: {error}",
                "Load it with the versions in environment.json, or run spec.yaml again.",
            )
        ) from error
    rows = read_assignments(path / run_folder.ASSIGNMENTS)
    model.labels_ = torch.tensor([cluster for cluster, _ in rows.values()])
    model.confidence_ = torch.tensor([confidence for _, confidence in rows.values()])
    ids = list(rows)
    model.node_ids_ = None if ids == [str(i) for i in range(len(ids))] else ids
    model.embedding_ = torch.from_numpy(np.load(path / run_folder.EMBEDDINGS))
    model.metrics_ = _read_json(path / run_folder.METRICS)
    model.history_ = History.from_csv(path / run_folder.HISTORY)
    model.eval()
    return model


def _read_json(path: Path) -> Any:
    import json

    return json.loads(path.read_text(encoding="utf-8"))
