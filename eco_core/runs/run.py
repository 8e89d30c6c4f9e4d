"""A whole run: composes, loads, trains, clusters, evaluates, and writes the run folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from eco_core.errors import EcoWarning
from eco_core.registry.registry import Registry
from eco_core.spec.files import read_spec

if TYPE_CHECKING:
    from eco_core.engine.callbacks import Callback
    from eco_core.model.composition import Composition
    from eco_core.results.explanation import Explanation


@dataclass(frozen=True)
class Run:
    """The result of a run.

    Attributes:
        folder: The run folder.
        metrics: Metrics of the clustering; shares are fractions.
        seconds: Wall-clock seconds: ``load``, ``train``, ``cluster``, ``total``.
        peak_memory_mb: Largest resident memory of the process, in MB.
        spec: The resolved spec.
        model: The fitted composition.
        explanation: Why the clusters are clusters; None with ``report: false``, and on ranks that write no folder.
        report: The page ``report.html``; None if there is no explanation, or jinja2 is not installed.
    """

    folder: Path
    metrics: dict[str, float]
    seconds: dict[str, float]
    peak_memory_mb: float
    spec: dict[str, Any]
    model: Composition
    explanation: Explanation | None = None
    report: Path | None = None

    def document(self) -> dict[str, Any]:
        """Returns the document that ``eco compose --json`` prints."""
        return {
            "run": str(self.folder),
            "metrics": self.metrics,
            "seconds": {name: round(value, 4) for name, value in self.seconds.items()},
            "peak_memory_mb": round(self.peak_memory_mb, 1),
            "spec": self.spec,
        }


def run(
    spec: Mapping[str, Any] | str | Path | None = None,
    *,
    recipe: str | None = None,
    flags: Mapping[str, Any] | None = None,
    epochs: int | None = None,
    overrides: Iterable[str] = (),
    out: str | Path | None = None,
    force: bool = False,
    device: str = "auto",
    threads: int | None = None,
    callbacks: Sequence[Callback] = (),
    stream: IO[str] | None = None,
    registry: Registry | None = None,
) -> Run:
    """Runs a spec and writes its run folder. Of processes that were launched together, only rank 0 writes.

    Args:
        spec: A mapping with the keys of ``spec.yaml``, or the path of such a file.
        recipe: Name of a recipe; the spec overrides it.
        flags: Keys of a spec; they override ``spec``.
        epochs: Number of epochs of every stage.
        overrides: ``"key=value"`` strings; they override all other arguments.
        out: The run folder; default ``runs/<time>-<name>``.
        force: Whether a run in ``out`` is replaced.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: Threads of torch; default all cores.
        callbacks: Callbacks of the training.
        stream: A stream that messages are written to, in addition to the run's log; None: only to the log.
        registry: Where names are looked up; default all installed plugins.

    Returns:
        The result of the run.

    Raises:
        EcoError: If the spec, the data or the folder has a mistake; nothing is written then.
        TrainingError: If the run fails.
    """
    from eco_core.data.validate import add_notes
    from eco_core.engine.collectives import all_gathered, local_rank_0_first
    from eco_core.engine.devices import make_fabric
    from eco_core.model.batching import check_shared
    from eco_core.model.composition import Composition
    from eco_core.ops.compile_notice import compile_notices
    from eco_core.plan.plan import plan_run
    from eco_core.results.folder import check_free
    from eco_core.results.recorder import RunFolder
    from eco_core.runs.log import RunLog
    from eco_core.runs.rerun import change_of_data, check_data_exist, earlier_fingerprint

    start = time.perf_counter()
    registry = registry or Registry.discover()
    content = read_spec(spec)
    plan = plan_run(registry, recipe=recipe, spec=content, flags=flags, epochs=epochs, overrides=overrides)
    check_data_exist(plan.spec.data.name, spec, content.get("data"))
    earlier = earlier_fingerprint(plan.spec.data.name, spec, content.get("data"))
    model = Composition(plan)
    fabric = make_fabric(device)
    check_shared(plan.spec.train, fabric.world_size)
    devices = all_gathered(str(fabric.device))
    out = None if out is None else Path(out).expanduser()
    if out is not None:
        check_free(out, force)
    logs: list[RunLog] = []
    early: list[str] = []

    def say(text: str) -> None:
        if logs:
            logs[0].say(text)
            return
        early.append(text)
        if stream is not None:
            stream.write(f"{text}\n")
            stream.flush()

    with _threads(threads), compile_notices(say):
        with local_rank_0_first(fabric.local_rank):
            graph = model.load_graph()
        model.check_graph(graph)
        changed = change_of_data(graph, earlier, spec)
        if changed is not None:
            add_notes(graph, [changed])
            if stream is None:
                warnings.warn(changed, category=EcoWarning, stacklevel=2)
        recorder = RunFolder(out, recipe, force, devices, started=start, loaded=time.perf_counter())
        logs.append(RunLog(recorder, stream, graph.get("columns"), early))
        model.fit(graph, device=device, callbacks=[recorder, *logs, *callbacks], verbose=False)
        if recorder.path is None:  # Only rank 0 makes a folder.
            recorder.measure(model.clustering_)
        explanation = _explain(recorder.path, graph, model) if recorder.path is not None and plan.spec.report else None
        page = None if explanation is None or recorder.path is None else _write_report(recorder.path)
        folder = all_gathered(recorder.path or Path())[0]
    seconds, memory = dict(recorder.seconds), recorder.peak_memory_mb
    return Run(folder, model.metrics_, seconds, memory, model.spec, model, explanation, page)


def _explain(folder: Path, graph: Any, model: Composition) -> Explanation | None:
    """Writes why the clusters are clusters. The run is finished and stays so, whatever happens here."""
    from eco_core.results.explanation import explain
    from eco_core.results.explanation_files import write_explanation

    try:
        explanation = explain(graph, model.clustering_)
        write_explanation(folder, explanation)
        return explanation
    except Exception as error:
        warnings.warn(
            f"The run is complete, but its clusters could not be explained: {type(error).__name__}: {error}",
            category=EcoWarning,
            stacklevel=2,
        )
        return None


def _write_report(folder: Path) -> Path | None:
    """Writes the page of a run, if jinja2 is installed. The run is finished without it."""
    from eco_core.report.rendering import has_jinja

    if not has_jinja():
        return None
    from eco_core.report.page import write_report

    try:
        return write_report(folder)
    except Exception as error:
        warnings.warn(
            f"The run is complete, but its report could not be written: {type(error).__name__}: {error}",
            category=EcoWarning,
            stacklevel=2,
        )
        return None


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
