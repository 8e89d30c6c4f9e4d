"""Chooses and makes the mini-batches of a composition, by its spec or by the free memory of the device."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from eco_core.data.sampling.batches import NeighborBatches, SubgraphBatches
from eco_core.engine.collectives import rank_and_size
from eco_core.errors import CompositionError, Problem
from eco_core.parts.traits import traits_of
from eco_core.spec.models import TrainSpec

Batches = NeighborBatches | SubgraphBatches
"""Iterables over the mini-batches of an epoch; each epoch iterates anew."""

_SHARE = 0.6
"""Fraction of the free memory that training on the whole graph may take, by its estimate."""

_COPIES = 4
"""Copies of a layer's output that training holds at a time: before and after the activation, and both gradients."""

_BYTES_AN_EDGE = 40
"""Bytes for each edge: a sparse matrix and its transpose in single precision, and the edges themselves."""

_FIRST_FAN_OUT, _FAN_OUT = 15, 10


def choose_batch(
    graph: Any, encoder: nn.Module, objective: Any, reads_edges: bool
) -> tuple[Literal["full", "neighbor", "subgraph"], str]:
    """Resolves ``train.batch: auto``: the whole graph if training on it fits into memory and there is one process.

    Args:
        graph: The graph, on the device of the training.
        encoder: The encoder.
        objective: The objective, or None.
        reads_edges: Whether the loss is computed from edges among seed nodes. Random seed nodes of a large graph have
            hardly any edges among them, so subgraphs are chosen.

    Returns:
        The kind of mini-batches, and a sentence for the user that gives the reason.
    """
    _, world_size = rank_and_size()
    needed, free = full_batch_bytes(graph, encoder, objective), free_bytes(graph.edge_index.device)
    found = f"training on the whole graph takes about {_gib(needed)}, and {_gib(free)} are free"
    if world_size > 1:
        found = f"{world_size} processes share each batch"
    elif needed <= _SHARE * free:
        return "full", f"train.batch auto is full: {found}."
    if reads_edges:
        return "subgraph", f"train.batch auto is subgraph: {found}, and the loss is made of edges."
    return "neighbor", f"train.batch auto is neighbor: {found}."


def full_batch_bytes(graph: Any, encoder: nn.Module, objective: Any) -> int:
    """Estimates the memory that training on a whole graph takes beyond the loaded graph.

    Each weight matrix of the encoder is counted as an output with as many columns as the matrix has rows; training
    holds four copies of it in single precision. An objective that compares views encodes twice. Losses over all pairs
    of nodes are computed in blocks and take little memory in comparison.

    Args:
        graph: The graph.
        encoder: The encoder.
        objective: The objective, or None.
    """
    matrices = (p for p in encoder.parameters() if p.dim() > 1)
    # A matrix with a row for each node is an embedding table: an output itself.
    widths = sum(p.size(0) if p.size(0) < graph.num_nodes else p.size(1) for p in matrices)
    passes = 2 if objective is not None and traits_of(objective).needs_views is not False else 1
    return 4 * graph.num_nodes * widths * _COPIES * passes + _BYTES_AN_EDGE * int(graph.num_edges)


def free_bytes(device: torch.device) -> int:
    """Free memory of the device, in bytes."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return 1024 * int(line.split()[1])
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return 2**33  # The system does not report its memory: assume eight GiB.


def make_batches(graph: Any, train: TrainSpec, encoder: nn.Module, seed: int) -> Batches | None:
    """Makes the mini-batches, or this process's share of them; returns None for ``full``.

    Args:
        graph: The graph.
        train: The section ``train`` of the spec, with ``auto`` resolved.
        encoder: The encoder; its ``num_layers``, if it has one, is the number of hops.
        seed: Seed of the groups of nodes that make up subgraphs.

    Raises:
        CompositionError: ECO104, if the length of ``fan_out`` is not the encoder's number of layers, or if there are
            too many processes to share a mini-batch.
    """
    world = rank_and_size()
    if train.batch == "subgraph":
        return SubgraphBatches(graph, train.batch_size, seed, *world)
    if train.batch != "neighbor":
        return None
    layers = traits_of(encoder).num_layers
    if train.fan_out is not None and layers is not None and len(train.fan_out) != layers:
        raise CompositionError(
            Problem(
                "ECO104",
                f"train.fan_out, {train.fan_out}, has length {len(train.fan_out)}; the encoder has {layers} layers.",
                "Give one number for each layer, or leave it out.",
            )
        )
    fan_out = train.fan_out or [_FIRST_FAN_OUT, *[_FAN_OUT] * ((2 if layers is None else layers) - 1)]
    return NeighborBatches(graph, fan_out, train.batch_size, *world)


def check_shared(train: TrainSpec, world_size: int) -> None:
    """Checks that several processes train on mini-batches, which they can share.

    Raises:
        CompositionError: ECO104, if several processes would train on the whole graph (``full``).
    """
    if world_size > 1 and train.batch == "full":
        raise CompositionError(
            Problem(
                "ECO104",
                f"{world_size} processes share the seeds of batches, but train.batch is full: all would compute the "
                "same loss on the whole graph.",
                "Use --set train.batch=neighbor (or subgraph, or auto), or --devices 1.",
            )
        )


def check_trained_on_batches(world_size: int, has_batches: bool, encoder: Any) -> None:
    """Checks that several processes train the encoder on mini-batches of the graph.

    Args:
        world_size: The number of processes.
        has_batches: Whether there are mini-batches of the graph.
        encoder: The name of the encoder, for the message.

    Raises:
        CompositionError: ECO104, if there are several processes and no mini-batches.
    """
    if world_size > 1 and not has_batches:
        raise CompositionError(
            Problem(
                "ECO104",
                f"{world_size} processes share the seeds of batches, but {encoder} is not trained on batches of the "
                "graph: all would compute the same loss.",
                "Use --devices 1.",
            )
        )


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"


__all__ = [
    "Batches",
    "check_shared",
    "check_trained_on_batches",
    "choose_batch",
    "free_bytes",
    "full_batch_bytes",
    "make_batches",
]
