"""The process of one cell: runs the command line ``eco``, and ends when the benchmark that started it ends."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Runs ``eco`` with these arguments. Stdin must be a pipe that the parent keeps open as long as it lives."""
    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    from eco_core.cli import main as eco

    return eco(words)


def _end_with_the_parent() -> None:
    # When the parent ends, even by kill -9, the system closes the parent's end of the pipe and read returns b"". Read
    # the descriptor directly: a buffered reader holds a lock while it waits, and Python could not shut down.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
