"""The peak of a process's memory above its start, a limit of memory, and the signs of too little memory."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import resource
import threading
from pathlib import Path

_MIB = 2**20
_SIGNS = ("can't allocate memory", "DefaultCPUAllocator", "bad_alloc", "Cannot allocate memory", "MemoryError")


def limit(gib: float) -> None:
    """Limits this process's data, so that too large an allocation raises an error instead of stopping the machine.

    Args:
        gib: The limit in GiB.
    """
    allowed = int(gib * 2**30)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


def is_out_of_memory(error: BaseException | str) -> bool:
    """Returns whether an error, one of its causes, or a text means that memory was not enough.

    Args:
        error: An exception, or the output of a process.
    """
    if isinstance(error, str):
        return any(sign in error for sign in _SIGNS)
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError) or is_out_of_memory(str(seen)):
            return True
        seen = seen.__cause__ or seen.__context__
    return False


class PeakMeter:
    """Measures the peak of resident memory above the memory at the meter's creation.

    Linux records the peak, and resets it on demand. If the reset is not allowed, memory is read every 10 ms.
    """

    def __init__(self) -> None:
        gc.collect()
        with contextlib.suppress(OSError, AttributeError):
            # Return freed memory to the system; otherwise allocating it again would not raise the peak.
            ctypes.CDLL(None).malloc_trim(0)
        self._stop = threading.Event()
        self._sampled: float | None = None
        self.is_exact = _reset_peak()
        self._base = _status_mib("VmRSS")
        if not self.is_exact:
            self._sampled = self._base
            threading.Thread(target=self._sample, daemon=True).start()

    def _sample(self) -> None:
        while not self._stop.wait(0.01):
            self._sampled = max(self._sampled or 0.0, _status_mib("VmRSS"))

    @property
    def peak_mb(self) -> float:
        """The peak so far, above the start, in MiB."""
        peak = _status_mib("VmHWM") if self._sampled is None else self._sampled
        return max(0.0, peak - self._base)


def _reset_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    # Some systems accept the command and ignore it.
    return _status_mib("VmHWM") <= _status_mib("VmRSS") + 8


def _status_mib(key: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024 / _MIB
    raise OSError(f"/proc/self/status has no {key}.")
