"""Compiling kernels with numba. Only kernel modules import this module, on their first use: it imports numba.

The kernels release the GIL and are run by ordinary threads (see `eco_core.ops.threads`). numba's own parallel loops are
not used: they take twice as long to compile, abort the process when two threads enter them at the same time (with
numba's portable threading layer) or when the process was forked after using them (with GNU OpenMP's), and have a number
of threads of their own beside torch's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import event

from eco_core.ops.compile_notice import compilation_starts


class _Listener(event.Listener):
    """Hears when numba compiles one of our kernels; loading one from the cache is no compilation."""

    def on_start(self, event: Any) -> None:
        function = getattr(event.data.get("dispatcher"), "py_func", None)
        if str(getattr(function, "__module__", "")).startswith("eco_"):
            compilation_starts()

    def on_end(self, event: Any) -> None:
        pass


event.register("numba:compile", _Listener())


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """Compiles for the argument types of the first call, and keeps the machine code on disk if possible."""
    try:
        return njit(nogil=True, cache=True, **options)(function)
    except RuntimeError:  # Neither the package's folder nor the user's cache can be written: compiled in each process.
        return njit(nogil=True, **options)(function)


__all__ = ["compiled"]
