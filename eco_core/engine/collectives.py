"""What processes that train together tell each other: averages, and what rank 0 has.

Every process holds the whole graph and the whole model. They share the seeds of each batch; whatever is computed from
the whole graph, each computes for itself, in the same way: nobody would gain by waiting for another's result.
"""

from __future__ import annotations

import atexit
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from torch import Tensor, nn

from eco_core.engine.world import World
from eco_core.errors import EcoError, LostProcessError, Problem
from eco_core.parts.loss import LossOutput

_T = TypeVar("_T")

# Not for killed processes: their connections are closed, which the others see at once. It bounds how far processes may
# be apart, for example while one of them downloads the data.
_TIMEOUT = timedelta(minutes=30)


def rank_and_size() -> tuple[int, int]:
    """The number of this process, and of how many; (0, 1) where it works by itself."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def joining(world: World) -> dict[str, Any]:
    """The options with which a Fabric object joins the others.

    Args:
        world: The launched processes.

    Raises:
        EcoError: ECO405, if SLURM does not say how many processes each machine has.
    """
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
    from lightning_fabric.strategies import DDPStrategy

    if not world.local_size:
        raise EcoError(
            Problem(
                "ECO405",
                f"SLURM started {world.size} tasks, but was not told how many on each machine.",
                "Give --ntasks-per-node to sbatch or srun; --ntasks alone does not say it.",
            )
        )
    environment = SLURMEnvironment(auto_requeue=False) if world.launcher == "slurm" else TorchElasticEnvironment()
    return {
        "devices": world.local_size,
        "num_nodes": world.size // world.local_size,
        # For its process group alone: a DDP wrapper fails where a stage trains part of a model.
        "strategy": DDPStrategy(cluster_environment=environment, timeout=_TIMEOUT),
    }


def join(fabric: Fabric) -> None:
    """Meets the other processes.

    Args:
        fabric: Made with the options of `joining`.
    """
    atexit.register(_leave)
    logger = logging.getLogger("lightning_fabric")  # It announces on stderr what nobody asked for.
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with peer_errors():
            fabric.launch()
    finally:
        logger.setLevel(level)


def _leave() -> None:
    # A process that is interrupted while it waits for others aborts at its end if its group still exists.
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def peer_errors() -> Iterator[None]:
    """Around what needs all processes.

    Raises:
        LostProcessError: ECO406, if another one ended or cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:  # All errors of torch.distributed are.
        raise LostProcessError(
            Problem(
                "ECO406",
                "Another process of this run ended, or cannot be reached.",
                "The launcher says which one ended; --debug shows where this one waited for it.",
            )
        ) from error


def average(parameters: Sequence[nn.Parameter], loss: LossOutput, share: float) -> LossOutput:
    """Averages gradients and a loss over all processes, in one transfer.

    Args:
        parameters: Whose gradients; one that has none in any process keeps none.
        loss: The loss of this process's seeds.
        share: Of the batch's seeds, those of this process: its weight. The shares of all processes sum to 1.

    Returns:
        The loss of the batch, detached.
    """
    figures = [torch.as_tensor(value).detach() for value in (loss.total, *loss.components.values())]
    # A share without edges, say, may give no gradient where others do.
    given = torch.tensor([float(p.grad is not None) for p in parameters])
    sent = [given, *figures, *(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)]
    joined = torch.cat([part.reshape(-1).to(parameters[0].device) for part in sent]).mul_(share)
    with peer_errors():
        dist.all_reduce(joined)
    parts = joined.split([part.numel() for part in sent])
    total, *components = (part.reshape(()) for part in parts[1 : 1 + len(figures)])
    for parameter, is_given, gradient in zip(parameters, parts[0], parts[1 + len(figures) :], strict=True):
        if parameter.grad is not None or is_given > 0:  # The second waits for an accelerator: only where it must.
            parameter.grad = gradient.view_as(parameter).to(parameter.dtype)
    return LossOutput(total, dict(zip(loss.components, components, strict=True)))


def take_from_rank_0(tensors: Iterable[Tensor], device: torch.device) -> None:
    """Overwrites tensors with those of rank 0.

    Args:
        tensors: As many, of the same shapes, in every process.
        device: Of the processes.
    """
    for tensor in tensors:
        sent = tensor.detach().to(device).contiguous()
        with peer_errors():
            dist.broadcast(sent, 0)
        if sent.data_ptr() != tensor.data_ptr():
            tensor.detach().copy_(sent)


def tensors_of(module: nn.Module) -> list[Tensor]:
    """The weights and buffers of a module."""
    return [value for value in module.state_dict().values() if isinstance(value, Tensor)]


def all_gathered(value: _T) -> list[_T]:
    """What each process has, by rank."""
    values: list[Any] = [value] * rank_and_size()[1]
    if len(values) > 1:
        with peer_errors():
            dist.all_gather_object(values, value)
    return values


@contextmanager
def local_rank_0_first(local_rank: int) -> Iterator[None]:
    """The first process of each machine goes ahead: what it downloads, the others find.

    Args:
        local_rank: Number of this process on its machine.
    """
    several = rank_and_size()[1] > 1
    if several and local_rank:
        with peer_errors():
            dist.barrier()
    yield
    if several and not local_rank:
        with peer_errors():
            dist.barrier()


__all__ = [
    "all_gathered",
    "average",
    "join",
    "joining",
    "local_rank_0_first",
    "peer_errors",
    "rank_and_size",
    "take_from_rank_0",
    "tensors_of",
]
