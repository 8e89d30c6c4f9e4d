"""The file ``environment.json``: versions, plugins, device and threads of a run."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    pass


_VERSIONED = ("eco-core", "torch", "torch-geometric", "scikit-learn", "numpy", "scipy", "lightning-fabric")


def describe_environment(model: Any, device: str) -> dict[str, Any]:
    """Versions, plugins, device, threads and seed of a run."""
    from importlib_metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    parts = {kind: part.origin for kind, part in model.plan.parts.items() if part is not None}
    return {
        "versions": versions,
        "plugins": {
            plugin.distribution: {"version": plugin.version, "status": plugin.status}
            for plugin in model.plan.registry.plugins
        },
        "parts": parts,
        "device": device,
        "threads": torch.get_num_threads(),
        "seed": model.plan.spec.seed,
        "platform": platform.platform(),
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
        "pid": os.getpid(),
    }
