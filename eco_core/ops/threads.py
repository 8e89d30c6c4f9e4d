"""Compiled loops on several threads: each thread works on a range of its own, with the GIL released.

At most as many threads run as torch uses. They are started for each call: a pool would be global state, and would not
survive a fork.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from threading import Thread
from typing import Any

import torch


def number_of_threads(work: int, work_of_a_thread: int) -> int:
    """Returns how many threads are worth starting, from 1 to as many as torch has.

    Args:
        work: Amount of work, in any unit.
        work_of_a_thread: Work below which a thread costs more than it saves, in the same unit.
    """
    return max(1, min(torch.get_num_threads(), work // work_of_a_thread))


def run_in_threads(function: Callable[..., Any], arguments: Sequence[Any], bounds: Sequence[int]) -> None:
    """Calls ``function(*arguments, start, stop)`` for each pair of neighbouring bounds, at the same time.

    Args:
        function: Releases the GIL, and writes to a range of its own. It does not raise.
        arguments: The arguments of all calls.
        bounds: The start of each range, and the end of the last range; a single range runs in the calling thread.
    """
    first, *others = pairwise(bounds)
    threads = [Thread(target=function, args=(*arguments, *part)) for part in others]
    for thread in threads:
        thread.start()
    function(*arguments, *first)
    for thread in threads:
        thread.join()


__all__ = ["number_of_threads", "run_in_threads"]
