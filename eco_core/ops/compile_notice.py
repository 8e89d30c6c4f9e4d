"""Says that kernels are being compiled, so that a user knows what the first run on a machine waits for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

COMPILING = (
    "Compiling kernels for this machine, once: about 5 seconds, more if other programs use the processor. "
    "Later runs load them."
)

_listeners: list[Callable[[str], None]] = []
# Compilation can start in any thread, so neither a context variable nor an argument reaches it.


@contextmanager
def compile_notices(say: Callable[[str], None]) -> Iterator[None]:
    """Context manager: calls ``say`` with a sentence when the first kernel is compiled.

    Nothing is said if all kernels that are needed were compiled before, in this process or on this machine.

    Args:
        say: Shows a sentence. It is called at most once, from the thread that compiles.
    """
    said: list[str] = []

    def once(text: str) -> None:
        if not said:
            said.append(text)
            say(text)

    _listeners.append(once)
    try:
        yield
    finally:
        _listeners.remove(once)


def compilation_starts() -> None:
    """Tells all listeners; `eco_core.ops.compiled` calls it."""
    for listener in tuple(_listeners):
        listener(COMPILING)


__all__ = ["COMPILING", "compilation_starts", "compile_notices"]
