"""Checkpoints: tensors and plain Python only, written so that a killed run finds the last whole one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from eco_core._files import write_atomically
from eco_core.errors import EcoError, Problem

FORMAT = 1


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint; an earlier one at the same place stays whole until the new one is."""
    write_atomically(path, lambda temporary: torch.save({"format": FORMAT, **state}, temporary))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint without running any code from it.

    Raises:
        EcoError: ECO404, if it is missing, torn or of another format.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise EcoError(Problem("ECO404", f"There is no checkpoint {path}.", "Start the run anew.")) from error
    except Exception as error:
        raise EcoError(
            Problem("ECO404", f"{path} is not a readable checkpoint: {error}", "Start the run anew.")
        ) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise EcoError(
            Problem(
                "ECO404",
                f"{path} has another format than {FORMAT}, which this version reads.",
                "Resume it with the version that wrote it, or start the run anew.",
            )
        )
    return state
