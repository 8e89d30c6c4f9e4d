from __future__ import annotations

import subprocess
import sys
import time

import numpy as np
import pytest

from eco_core.metrics.efficiency import Stopwatch, peak_device_memory_mb


def in_a_fresh_process(code: str) -> list[float]:
    code = f"from eco_core.metrics.efficiency import peak_memory_mb\n{code}"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return [float(word) for word in child.stdout.split()]


def test_peak_memory_grows_by_what_was_allocated_and_stays_when_it_is_freed():
    code = "print(peak_memory_mb()); block = bytes(100 * 2**20); block = bytearray(block); del block"
    before, after = in_a_fresh_process(f"{code}; print(peak_memory_mb())")
    assert 95 <= after - before < 250


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux carries the peak over to child processes")
def test_peak_memory_does_not_include_the_process_that_started_this_one():
    block = np.ones(200 * 2**20, dtype=np.uint8)
    (peak,) = in_a_fresh_process("print(peak_memory_mb())")
    assert 0 < peak < 150 < block.nbytes / 2**20


def test_a_device_that_is_not_cuda_took_no_device_memory():
    assert peak_device_memory_mb("cpu") == 0.0


def test_phases_add_up_and_total_covers_them():
    watch = Stopwatch()
    for _ in range(2):
        with watch.phase("train"):
            time.sleep(0.01)
    seconds = watch.seconds
    assert list(seconds) == ["load", "train", "cluster", "total"]
    assert seconds["load"] == 0
    assert 0.02 <= seconds["train"] <= seconds["total"]


def test_a_phase_that_raises_is_timed_too():
    watch = Stopwatch(phases=())

    def fail() -> None:
        with watch.phase("fit"):
            time.sleep(0.005)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert watch.seconds["fit"] >= 0.005
