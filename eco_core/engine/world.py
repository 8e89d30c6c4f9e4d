"""The rank of this process among the processes of a run, from environment variables. Light: no torch."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")

# SLURM sets the step id for processes that srun started, but not for the script of a job, which is one process.
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP_ID")
_TASKS_OF_A_MACHINE = "SLURM_NTASKS_PER_NODE"
_RUN_ID = "TORCHELASTIC_RUN_ID"

OUR_RUN_IDS = "eco-"
"""The prefix of the run ids of `eco_core.engine.launch.launch`."""


@dataclass(frozen=True)
class World:
    """The place of this process among the processes that were launched together.

    Attributes:
        rank: Number of this process, from 0.
        size: Number of processes, at least 2.
        local_rank: Number of this process among the processes of its machine.
        local_size: Number of processes of its machine; 0 if SLURM was started without ``--ntasks-per-node``.
        launcher: The launcher of the processes: ``eco`` (``--devices``), ``torchrun`` or ``slurm``.
    """

    rank: int
    size: int
    local_rank: int
    local_size: int
    launcher: str


def launched_world(environment: Mapping[str, str] | None = None) -> World | None:
    """Finds out whether this process is one of several that work on the same run.

    Args:
        environment: Environment variables; default the variables of this process.

    Returns:
        The place of this process; None for a single process, also if a launcher started it.
    """
    found = os.environ if environment is None else environment
    if all(name in found for name in _TORCHRUN):
        rank, size, local_rank, local_size = (int(found[name]) for name in _TORCHRUN[:4])
        launcher = "eco" if found.get(_RUN_ID, "").startswith(OUR_RUN_IDS) else "torchrun"
    elif all(name in found for name in _SLURM):
        rank, size, local_rank = (int(found[name]) for name in _SLURM[:3])
        local_size, launcher = int(found.get(_TASKS_OF_A_MACHINE, 0)), "slurm"
    else:
        return None
    return World(rank, size, local_rank, local_size, launcher) if size > 1 else None


def without_launch(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without torchrun's and SLURM's variables, for a child that must not join this run."""
    return {name: value for name, value in environment.items() if name not in (*_TORCHRUN, *_SLURM, _RUN_ID)}
