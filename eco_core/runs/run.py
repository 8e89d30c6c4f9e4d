"""A whole run: compose, load, train, cluster, evaluate, and write the run folder. And reading it back."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from eco_core.registry.registry import Registry
from eco_core.spec.files import read_spec

if TYPE_CHECKING:
    from eco_core.engine.callbacks import Callback
    from eco_core.model.composition import Composition


@dataclass(frozen=True)
class Run:
    """What a run gave.

    Attributes:
        folder: The run folder.
        metrics: Figures of the clustering, as fractions.
        seconds: Wall-clock seconds: ``load``, ``train``, ``cluster``, ``total``.
        peak_memory_mb: Largest resident memory of the process, in MB.
        spec: The resolved spec.
        model: The fitted composition.
    """

    folder: Path
    metrics: dict[str, float]
    seconds: dict[str, float]
    peak_memory_mb: float
    spec: dict[str, Any]
    model: Composition

    def document(self) -> dict[str, Any]:
        """What ``eco compose --json`` prints."""
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
    """Runs a spec and writes its run folder. Of processes that were launched together, rank 0 writes.

    Args:
        spec: A mapping with the keys of ``spec.yaml``, or the path of one.
        recipe: Name of a recipe below the spec.
        flags: Keys of a spec above it.
        epochs: Of every stage.
        overrides: ``"key=value"`` strings above all.
        out: The run folder; default ``runs/<time>-<name>``.
        force: Whether a run in ``out`` is replaced.
        device: ``auto``, ``cpu`` or ``cuda``.
        threads: Threads of torch; default all cores.
        callbacks: Told what happens in training.
        stream: Where messages go, beside the run's log; None: only there.
        registry: Where names are looked up; default all installed plugins.

    Raises:
        EcoError: A mistake in the spec, the data or the folder; nothing is written then.
        TrainingError: The run failed.
    """
    from eco_core.engine.callbacks import Log
    from eco_core.engine.collectives import first_of_machine, gathered
    from eco_core.engine.devices import make_fabric
    from eco_core.metrics.efficiency import peak_memory_mb
    from eco_core.model.batching import check_shared
    from eco_core.model.composition import Composition
    from eco_core.plan.plan import plan_run
    from eco_core.results import folder as run_folder

    start = time.perf_counter()
    registry = registry or Registry.discover()
    plan = plan_run(registry, recipe=recipe, spec=read_spec(spec), flags=flags, epochs=epochs, overrides=overrides)
    model = Composition(plan)
    fabric = make_fabric(device)
    check_shared(plan.spec.train, fabric.world_size)
    devices = gathered(str(fabric.device))
    if out is not None:
        run_folder.check_free(Path(out), force)
    with _threads(threads), ExitStack() as closing:
        with first_of_machine(fabric.local_rank):
            graph = model.load_graph()
        model.check_graph(graph)
        loaded = time.perf_counter()
        log = _Tee(stream if fabric.is_global_zero else None)
        folder: Path | None = None

        def begin() -> Path:
            """Makes the folder as late as can be: a mistake that is found before leaves an older run as it is."""
            nonlocal folder
            if not fabric.is_global_zero:
                folder = gathered(Path())[0]
                return folder / run_folder.CHECKPOINT
            name = recipe or "-".join(part.label for part in model.plan.parts.values() if part is not None)
            folder = run_folder.claim_folder(Path(out), force) if out else run_folder.fresh_folder(_file_name(name))
            run_folder.write_spec(folder, model)
            log.add(closing.enter_context((folder / run_folder.LOG).open("w", encoding="utf-8")))
            for note in dict.fromkeys([*model.notes_, *graph.notes]):
                log.write(f"{note}\n")
            log.flush()
            gathered(folder)
            return folder / run_folder.CHECKPOINT

        try:
            model.fit(graph, device=device, callbacks=[Log(log), *callbacks], checkpoint=begin)
            memory = peak_memory_mb()
            seconds = {"load": loaded - start, **model.seconds_, "total": time.perf_counter() - start}
            assert folder is not None
            if fabric.is_global_zero:
                facts = {"world_size": fabric.world_size, "devices": devices}
                facts |= {"seconds": seconds, "peak_memory_mb": memory}
                run_folder.write_run(folder, model, devices[0], **facts)
                (folder / run_folder.CHECKPOINT).unlink(missing_ok=True)
        except BaseException as error:
            if folder is not None and fabric.is_global_zero:
                log.write_to_file(f"{type(error).__name__}: {error}\n")
                log.write(f"Unfinished: {folder} keeps {', '.join(run_folder.files_of(folder))}.\n")
            raise
    return Run(folder, model.metrics_, seconds, memory, model.spec, model)


class _Tee:
    """Writes to a terminal, if there is one, and to the log, as soon as there is one."""

    def __init__(self, terminal: IO[str] | None) -> None:
        self._terminal = terminal
        self._file: IO[str] | None = None

    def add(self, file: IO[str]) -> None:
        self._file = file

    def write(self, text: str) -> None:
        if self._terminal is not None:
            self._terminal.write(text)
        self.write_to_file(text)

    def write_to_file(self, text: str) -> None:
        if self._file is not None:
            self._file.write(text)

    def flush(self) -> None:
        for stream in (self._terminal, self._file):
            if stream is not None:
                stream.flush()


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


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
