"""The callback that writes the run folder during a fit."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eco_core.engine.callbacks import Callback, FitInfo
from eco_core.engine.checkpoint import save_checkpoint
from eco_core.metrics.efficiency import peak_memory_mb
from eco_core.results.clustering import Clustering
from eco_core.results.folder import CHECKPOINT, claim_folder, fresh_folder, write_run, write_spec


class RunFolder(Callback):
    """Makes a run folder when a fit starts, writes checkpoints, and writes the results at the end.

    The folder is made after all checks, so that ``force`` never deletes an old run for a new run that cannot start.

    Args:
        out: The run folder; None: ``runs/<time>-<name>``.
        name: The name in ``runs/<time>-<name>``; None: the names of the parts.
        force: Whether a run in ``out`` is replaced.
        devices: The devices of all processes, for ``environment.json``.
        started: The time when the run began (`time.perf_counter`).
        loaded: The time when its graph was loaded.

    Attributes:
        seconds: Wall-clock seconds after the fit: ``load``, ``train``, ``cluster``, ``total``.
        peak_memory_mb: Largest resident memory of the process after the fit, in MB.
    """

    def __init__(
        self,
        out: Path | None,
        name: str | None,
        force: bool,
        devices: Sequence[str],
        started: float,
        loaded: float,
    ) -> None:
        self._out, self._name, self._force = out, name, force
        self._devices, self._started, self._loaded = devices, started, loaded
        self._begun: tuple[Path, FitInfo] | None = None
        self.seconds: Mapping[str, float] = {}
        self.peak_memory_mb = 0.0

    def on_fit_start(self, info: FitInfo) -> None:
        """Makes the folder and writes ``spec.yaml``."""
        name = self._name or "-".join(info.part_names)
        path = fresh_folder(_file_name(name)) if self._out is None else claim_folder(self._out, self._force)
        self._begun = (path, info)
        write_spec(path, info)

    def on_checkpoint(self, state: dict[str, Any]) -> None:
        """Replaces the checkpoint."""
        path, _ = self._require()
        save_checkpoint(path / CHECKPOINT, state)

    def on_fit_end(self, clustering: Clustering) -> None:
        """Writes the results, and removes the checkpoint."""
        path, info = self._require()
        self.measure(clustering)
        write_run(
            path,
            info,
            clustering,
            world_size=info.world_size,
            devices=list(self._devices),
            seconds=dict(self.seconds),
            peak_memory_mb=self.peak_memory_mb,
        )
        (path / CHECKPOINT).unlink(missing_ok=True)

    @property
    def path(self) -> Path | None:
        """The folder; None before it is made."""
        return None if self._begun is None else self._begun[0]

    def _require(self) -> tuple[Path, FitInfo]:
        if self._begun is None:
            raise RuntimeError("The run folder is not made yet: on_fit_start comes first.")
        return self._begun

    def measure(self, clustering: Clustering) -> None:
        """Measures the seconds and the peak memory of the run. Ranks that write no folder call it themselves."""
        self.peak_memory_mb = peak_memory_mb()
        total = time.perf_counter() - self._started
        self.seconds = {"load": self._loaded - self._started, **clustering.seconds, "total": total}


def _file_name(name: str) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name)


__all__ = ["RunFolder"]
