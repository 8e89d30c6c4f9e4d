"""Communication between processes that train together: averages of gradients, and broadcasts from rank 0.

Every process holds the whole graph and the whole model. The processes divide the seed nodes of each mini-batch among
them. Every process computes the results on the whole graph itself, in the same way: waiting for another process would
not be faster.
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

# The longest time that a process waits for the others, for example while one of them downloads the data. Killed
# processes are noticed at once, because their connections close.
_TIMEOUT = timedelta(minutes=30)


def rank_and_size() -> tuple[int, int]:
    """The rank of this process and the number of processes; (0, 1) for a single process."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def joining(world: World) -> dict[str, Any]:
    """Returns the options of a Fabric object that joins the other processes of a run.

    Args:
        world: The place of this process among the launched processes.

    Raises:
        EcoError: ECO405, if SLURM does not set the number of processes of each machine.
    """
    from lightning_fabric.plugins.environments import SLURMEnvironment, TorchElasticEnvironment
    from lightning_fabric.strategies import DDPStrategy

    if not world.local_size:
        raise EcoError(
            Problem(
                "ECO405",
                f"SLURM started {world.size} tasks, but does not set the number of tasks on each machine.",
                "Give --ntasks-per-node to sbatch or srun; --ntasks alone is not enough.",
            )
        )
    environment = SLURMEnvironment(auto_requeue=False) if world.launcher == "slurm" else TorchElasticEnvironment()
    return {
        "devices": world.local_size,
        "num_nodes": world.size // world.local_size,
        # Used for its process group only. No module is wrapped in DDP, which fails if a stage trains part of a model.
        "strategy": DDPStrategy(cluster_environment=environment, timeout=_TIMEOUT),
    }


def join(fabric: Fabric) -> None:
    """Waits for the other processes and forms the process group with them.

    Args:
        fabric: Made with the options of `joining`.
    """
    atexit.register(_leave)
    logger = logging.getLogger("lightning_fabric")  # At level INFO it prints a banner on stderr.
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with peer_errors():
            fabric.launch()
    finally:
        logger.setLevel(level)


def _leave() -> None:
    # An interrupted process that was waiting for others aborts at exit if its process group still exists.
    if dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def peer_errors() -> Iterator[None]:
    """Context manager around communication between processes: translates the errors of torch.distributed.

    Raises:
        LostProcessError: ECO406, if another process ended or cannot be reached.
    """
    try:
        yield
    except RuntimeError as error:  # The base of all errors of torch.distributed.
        raise LostProcessError(
            Problem(
                "ECO406",
                "Another process of this run ended, or cannot be reached.",
                "The launcher reports which process ended; --debug shows where this one waited for it.",
            )
        ) from error


def average(parameters: Sequence[nn.Parameter], loss: LossOutput, share: float) -> LossOutput:
    """Averages gradients and a loss over all processes, in one transfer.

    Args:
        parameters: The parameters whose gradients are averaged. A parameter without a gradient in all processes keeps
            none.
        loss: The loss of this process's seed nodes.
        share: The weight of this process: its fraction of the mini-batch's seed nodes. The shares of all processes sum
            to 1.

    Returns:
        The loss of the whole mini-batch, detached.
    """
    figures = [torch.as_tensor(value).detach() for value in (loss.total, *loss.components.values())]
    # A parameter can have a gradient in some processes only, for example if this process's seed nodes have no edges.
    given = torch.tensor([float(p.grad is not None) for p in parameters])
    sent = [given, *figures, *(torch.zeros_like(p) if p.grad is None else p.grad for p in parameters)]
    joined = torch.cat([part.reshape(-1).to(parameters[0].device) for part in sent]).mul_(share)
    with peer_errors():
        dist.all_reduce(joined)
    parts = joined.split([part.numel() for part in sent])
    total, *components = (part.reshape(()) for part in parts[1 : 1 + len(figures)])
    for parameter, is_given, gradient in zip(parameters, parts[0], parts[1 + len(figures) :], strict=True):
        if parameter.grad is not None or is_given > 0:  # `is_given > 0` waits for the accelerator: test it last.
            parameter.grad = gradient.view_as(parameter).to(parameter.dtype)
    return LossOutput(total, dict(zip(loss.components, components, strict=True)))


def take_from_rank_0(tensors: Iterable[Tensor], device: torch.device) -> None:
    """Overwrites tensors with the tensors of rank 0.

    Args:
        tensors: The same number of tensors, of the same shapes, in every process.
        device: The device of this process.
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
    """Returns the values of all processes, ordered by rank."""
    values: list[Any] = [value] * rank_and_size()[1]
    if len(values) > 1:
        with peer_errors():
            dist.all_gather_object(values, value)
    return values


@contextmanager
def local_rank_0_first(local_rank: int) -> Iterator[None]:
    """Context manager: the first process of each machine runs the body before the others, so that it alone downloads.

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
