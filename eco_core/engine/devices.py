"""Which device a run uses, as a Lightning Fabric object."""

from __future__ import annotations

import lightning_fabric
import torch

from eco_core.errors import EcoError, Problem

DEVICES = ("auto", "cpu", "cuda")


def make_fabric(device: str = "auto", precision: str = "32") -> lightning_fabric.Fabric:
    """Makes the Fabric object that places tensors, casts and averages gradients.

    Args:
        device: ``auto`` (CUDA where there is one), ``cpu`` or ``cuda``.
        precision: ``"32"`` or ``"bf16-mixed"``.

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
    accelerator = "cuda" if device == "cuda" or (device == "auto" and torch.cuda.is_available()) else "cpu"
    fabric = lightning_fabric.Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    return fabric
