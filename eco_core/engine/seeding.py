"""Seeds and deterministic algorithms, set during a run and restored afterwards."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

_ONE_AT_A_TIME = threading.RLock()
"""Held while a thread trains: the generators and the deterministic mode of torch belong to the whole process."""


def generator_states() -> dict[str, Any]:
    """Returns the states of the generators of torch, NumPy and Python, as tensors and plain Python."""
    name, keys, position, has_gauss, cached = np.random.get_state()
    version, internal, gauss_next = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": [state.cpu() for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
        "numpy": [str(name), [int(key) for key in keys], int(position), int(has_gauss), float(cached)],
        "python": [version, list(internal), gauss_next],
    }


def restore_generators(states: dict[str, Any]) -> None:
    """Restores the states that `generator_states` returned."""
    torch.set_rng_state(states["torch"])
    if states["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(states["cuda"])
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    version, internal, gauss_next = states["python"]
    random.setstate((version, tuple(internal), gauss_next))


def seed_generators(seed: int, *place: int) -> None:
    """Seeds the generators of torch, NumPy and Python.

    Args:
        seed: The seed of the run.
        *place: Stage number (from 1); with several processes also epoch and rank. Each combination gets an independent
            random stream, so extra draws in between (even a first import of scikit-learn draws) change nothing later.
    """
    derived = int(np.random.SeedSequence([seed, *place]).generate_state(1)[0]) if place else seed
    torch.manual_seed(derived)
    np.random.seed(derived)
    random.seed(derived)


@contextmanager
def seeded(seed: int, deterministic: bool = True) -> Iterator[None]:
    """Seeds torch, NumPy and Python, turns deterministic algorithms on, and undoes both afterwards.

    Without deterministic algorithms, the gradient of ``z[index]`` differs from run to run on two threads. On CUDA,
    operations without a deterministic form raise a warning instead of an error.

    Only one thread of a process can be inside this context, because all threads share the generators. Other threads
    wait.

    Args:
        seed: The seed of all three generators.
        deterministic: Whether to turn on deterministic algorithms.
    """
    with _ONE_AT_A_TIME:
        states = generator_states()
        was_on = torch.are_deterministic_algorithms_enabled()
        was_warning = torch.is_deterministic_algorithms_warn_only_enabled()
        was_filling = torch.utils.deterministic.fill_uninitialized_memory  # type: ignore[attr-defined]
        try:
            seed_generators(seed)
            if deterministic:
                torch.use_deterministic_algorithms(True, warn_only=torch.cuda.is_available())
                # Deterministic mode fills every new tensor, which costs a pass over its memory. Filling matters only
                # for code that reads uninitialised memory.
                torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
            yield
        finally:
            torch.use_deterministic_algorithms(was_on, warn_only=was_warning)
            torch.utils.deterministic.fill_uninitialized_memory = was_filling  # type: ignore[attr-defined]
            restore_generators(states)
