"""The process of one cell: the command line of ``eco``, which ends when the benchmark that started it does."""

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
    # However the parent ends, kill -9 included, the system closes its end of the pipe. The descriptor is read directly:
    # a buffered reader is locked while it waits, and Python cannot shut down then.
    while os.read(0, 1):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
