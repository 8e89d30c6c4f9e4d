"""Checkpoints of tensors and plain Python only. A killed run always leaves its last complete checkpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from eco_core._files import write_atomically
from eco_core.errors import EcoError, Problem

FORMAT = 2


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Writes a checkpoint; an earlier checkpoint at the same path is replaced only when the new one is complete."""
    write_atomically(path, lambda temporary: torch.save({"format": FORMAT, **state}, temporary))


def checkpoint_file(path: str | Path | None) -> Path | None:
    """Checks, before anything is trained, that a checkpoint can be written at a path.

    Args:
        path: The file; None: no checkpoint is written.

    Returns:
        The path, with the user's home folder in the place of ``~``.

    Raises:
        EcoError: ECO404, if the path is a folder, or its folder does not exist.
    """
    if path is None:
        return None
    file = Path(path).expanduser()
    if file.is_dir() or not file.name:
        raise EcoError(Problem("ECO404", f"checkpoint is {str(path)!r}, a folder.", "Name a file in it."))
    if not file.parent.is_dir():
        raise EcoError(
            Problem(
                "ECO404",
                f"checkpoint is {str(path)!r}, but there is no folder {str(file.parent)!r}.",
                "Make the folder first, or name a file in another one.",
            )
        )
    return file


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Reads a checkpoint without running any code from it.

    Raises:
        EcoError: ECO404, if the file is missing, incomplete or of another format.
    """
    path = Path(path).expanduser()
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
                f"{path} does not have checkpoint format {FORMAT}, the only one that this version of ECO reads.",
                "Resume it with the version that wrote it, or start the run anew.",
            )
        )
    return state


def check_identity(path: Path, state: Mapping[str, Any], identity: Mapping[str, str]) -> None:
    """Refuses a checkpoint that another run wrote.

    Args:
        path: The file of the checkpoint, for the message.
        state: The return value of `load_checkpoint`.
        identity: Maps words such as ``graph`` to digests, which together identify this run.

    Raises:
        EcoError: ECO404, if a digest differs; the message names the words.
    """
    saved = state.get("identity", {})
    differing = [name for name, value in identity.items() if saved.get(name) != value]
    if differing:
        raise EcoError(
            Problem(
                "ECO404",
                f"{path} is the checkpoint of another run: its {' and its '.join(differing)} "
                f"{'differs' if len(differing) == 1 else 'differ'} from this run's.",
                "Resume it with the same spec, seed and graph, or start the run anew.",
            )
        )


def load_states(
    path: Path | None, module: nn.Module, optimizers: Sequence[torch.optim.Optimizer], state: Mapping[str, Any]
) -> None:
    """Loads the weights of a checkpoint into a module and its optimisers.

    Args:
        path: The file of the checkpoint, for the message.
        module: The module.
        optimizers: The optimisers of the stage.
        state: The return value of `load_checkpoint`.

    Raises:
        EcoError: ECO404, if the weights have other names or shapes.
    """
    try:
        module.load_state_dict(state["model"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
    except (KeyError, RuntimeError, ValueError) as error:
        raise EcoError(
            Problem(
                "ECO404",
                f"{path} does not fit the model: {error}",
                "Resume it with the model that wrote it, or start the run anew.",
            )
        ) from error
