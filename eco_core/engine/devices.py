"""Selects the device of a run, as a Lightning Fabric object."""

from __future__ import annotations

from typing import Any

import lightning_fabric
import torch

from eco_core.engine.collectives import join, joining
from eco_core.engine.world import launched_world
from eco_core.errors import EcoError, Problem

DEVICES = ("auto", "cpu", "cuda")


def make_fabric(device: str = "auto", precision: str = "32") -> lightning_fabric.Fabric:
    """Makes the Fabric object that moves tensors to the device and casts them.

    A process that was launched with others joins their process group.

    Args:
        device: ``auto`` (CUDA if it is available), ``cpu`` or ``cuda``.
        precision: ``"32"`` or ``"bf16-mixed"``.

    Raises:
        EcoError: ECO405, if the device is unknown or absent, or a machine has fewer CUDA devices than processes.
    """
    accelerator = accelerator_of(device)
    world = launched_world()
    options: dict[str, Any] = {"devices": 1}
    if world is not None:
        options = joining(world)
        if accelerator == "cuda":
            check_count(world.local_size)
    fabric = lightning_fabric.Fabric(accelerator=accelerator, precision=precision, **options)  # type: ignore[arg-type]
    if world is None:
        fabric.launch()
    else:
        join(fabric)
    return fabric


def accelerator_of(device: str) -> str:
    """Returns ``cpu`` or ``cuda``.

    Args:
        device: ``auto`` (CUDA if it is available), ``cpu`` or ``cuda``.

    Raises:
        EcoError: ECO405, if the device is unknown or absent.
    """
    if device not in DEVICES:
        raise EcoError(Problem("ECO405", f"There is no device {device!r}.", f"Use one of: {', '.join(DEVICES)}."))
    if device == "cuda" and not torch.cuda.is_available():
        raise EcoError(
            Problem(
                "ECO405",
                "Device 'cuda' was asked for, but torch sees no CUDA device.",
                "Use --device cpu, or install a CUDA build of torch.",
            )
        )
    return "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"


def check_count(processes: int) -> None:
    """Checks that this machine has a CUDA device for each process.

    Args:
        processes: Number of processes on this machine.

    Raises:
        EcoError: ECO405, if there are more processes than devices.
    """
    present = torch.cuda.device_count()
    if processes > present:
        raise EcoError(
            Problem(
                "ECO405",
                f"{processes} processes of this machine want a CUDA device each, but torch sees {present}.",
                "Start fewer, or use --device cpu. Under SLURM every task has to see all devices of its machine.",
            )
        )
