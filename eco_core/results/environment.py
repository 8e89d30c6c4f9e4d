"""The file ``environment.json``: versions, plugins, device and threads of a run."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

from eco_core.engine.callbacks import FitInfo

_VERSIONED = ("eco-core", "torch", "torch-geometric", "scikit-learn", "numpy", "scipy", "lightning-fabric")


def describe_environment(info: FitInfo) -> dict[str, Any]:
    """Returns versions, plugins, parts, device, threads and seed of a run, as plain data.

    Args:
        info: The facts of the fit.
    """
    from importlib_metadata import PackageNotFoundError, version

    versions = {"python": platform.python_version()}
    for name in _VERSIONED:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "not installed"
    return {
        "versions": versions,
        "plugins": {name: dict(plugin) for name, plugin in info.plugins.items()},
        "parts": dict(info.parts),
        "device": str(info.device),
        "threads": torch.get_num_threads(),
        "seed": info.seed,
        "platform": platform.platform(),
        "command": [Path(sys.argv[0]).name, *map(_relative, sys.argv[1:])],
        "pid": os.getpid(),
        "data_fingerprint": info.data_fingerprint,
    }


def _relative(argument: str) -> str:
    """An argument of the command line; absolute paths become relative, so that they do not tell of the machine."""
    option, equals, value = argument.partition("=") if argument.startswith("-") else ("", "", argument)
    if not Path(value).is_absolute():
        return argument
    try:
        return f"{option}{equals}{os.path.relpath(value)}"
    except ValueError:  # Another drive.
        return argument
