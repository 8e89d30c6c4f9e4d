"""One side of a comparison: reads requests as lines of JSON and answers each with one line.

The Python of an installation runs it as a file. It uses only packages of that Python: the public interface of ECO, and
no module of this folder.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

_registry: Any = None


def main() -> int:
    """Answers requests until they end; the output of libraries goes to the standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    tasks: dict[str, Callable[..., dict[str, Any]]] = {"run": _run, "compose": _compose}
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"status": "ok", **tasks[request.pop("task")](**request)}
        except Exception as error:  # one recipe that fails must not stop the others
            answer = {"status": "failed", "message": f"{type(error).__name__}: {error}"[:500]}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


def _run(
    recipe: str, data: str, data_root: str | None, epochs: int, seed: int, overrides: list[str], out: str
) -> dict[str, Any]:
    """Runs a recipe into a run folder; returns the processor time."""
    import eco_core

    start = time.process_time()
    options: dict[str, Any] = {
        "recipe": recipe,
        "flags": {"seed": seed, "data": {"name": data} | ({} if data_root is None else {"root": data_root})},
        "overrides": overrides,
        "out": out,
        "force": True,
        "device": "cpu",
        "threads": 1,
    }
    try:
        eco_core.run(**options, epochs=epochs)
    except Exception as error:
        if "ECO103" not in str(error):
            raise
        # The strategy has no stages whose epochs could be set: run the recipe unchanged.
        eco_core.run(**options)
    return {"cpu_seconds": time.process_time() - start}


def _compose(recipe: str, times: int) -> dict[str, Any]:
    """Measures the processor time of several calls of `eco_core.compose` with a kept registry."""
    global _registry
    import eco_core
    from eco_core.registry import Registry

    if _registry is None:
        _registry = Registry.discover()
    seconds = []
    for _ in range(times):
        start = time.process_time()
        eco_core.compose(recipe=recipe, registry=_registry)
        seconds.append(time.process_time() - start)
    return {"cpu_seconds": seconds}


if __name__ == "__main__":
    sys.exit(main())
