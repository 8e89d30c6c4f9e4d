"""A description of the machine and the versions, for each figure."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

_PACKAGES = ("torch", "torch-geometric", "pyagc", "eco-core", "numpy", "scikit-learn", "numba")


def describe() -> dict[str, Any]:
    """Returns the processor, its cores, the memory, the system, and the versions of the compared packages.

    The repository's revision ends with ``-dirty`` if files are changed: figures of such a tree cannot be repeated.
    """
    return {
        "cpu": _first(Path("/proc/cpuinfo"), "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "ram_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "os": _first(Path("/etc/os-release"), "PRETTY_NAME", "=").strip('"') or platform.platform(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "revision": _revision(),
        "packages": {name: _version(name) for name in _PACKAGES},
    }


def _first(path: Path, key: str, separator: str = ":") -> str:
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith(key):
                return line.partition(separator)[2].strip()
    return ""


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603 - git, with fixed arguments
            command, cwd=Path(__file__).parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
