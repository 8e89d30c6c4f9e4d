"""Random walks on a graph, compiled: uniform, weighted, or biased as node2vec's.

Walks need numba only (no pyg-lib, no torch-cluster). The first call in a process compiles for about two seconds, or
loads the code from numba's cache in half a second. The cache is beside the package if that folder can be written, else
in the user's cache (``NUMBA_CACHE_DIR`` names another folder), else there is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from eco_core.errors import DataError, Problem
from eco_core.ops.csr import incoming_of, sorted_entries
from eco_core.ops.sample import is_mini_batch
from eco_core.ops.threads import number_of_threads, run_in_threads

_STEPS_A_THREAD = 2**16
"""Steps per thread: with fewer, another thread costs more than it saves; about a millisecond of work."""

_VISITS_AT_A_TIME = 2**23
"""Largest number of visits held at a time: 64 MB."""


class Neighbors(NamedTuple):
    """The out-neighbours of every node, for random walks; made by `neighbors_of`, once for each graph.

    Attributes:
        rowptr: Where each node's entries begin in ``col``, shape (num_nodes + 1,), int64, on the CPU.
        col: The neighbours, sorted within each node's entries, shape (num_edges,), int64 (or int32), on the CPU.
        cumulative: Running sum of the edge weights within each node's entries, shape (num_edges,), float64; None: every
            edge weighs the same.
    """

    rowptr: Tensor
    col: Tensor
    cumulative: Tensor | None = None

    @property
    def num_nodes(self) -> int:
        """Number of nodes."""
        return self.rowptr.numel() - 1


def neighbors_of(edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None = None) -> Neighbors:
    """Sorts edges by their nodes.

    Args:
        edge_index: Edges of shape (2, num_edges), from row 0 to row 1; an undirected graph has both directions.
            Parallel edges count separately. Edges of an undirected graph on disk are read from the mapped file.
        num_nodes: Number of nodes.
        edge_weight: Weights of shape (num_edges,) (or (num_edges, 1)), finite and not negative; None: all the same.

    Raises:
        DataError: ECO303, if an edge names a node that does not exist, or weights are missing, negative or not finite.
    """
    incoming = incoming_of(edge_index, edge_weight)
    if incoming is not None and incoming.symmetric and incoming.weight is None:
        _check_nodes(incoming.col, num_nodes, "edge_index")
        return Neighbors(incoming.rowptr, incoming.col)  # Read from the mapped file.
    return sorted_neighbors(edge_index, num_nodes, edge_weight)[0]


def sorted_neighbors(edge_index: Tensor, num_nodes: int, edge_weight: Tensor | None = None) -> tuple[Neighbors, Tensor]:
    """Does the same as `neighbors_of`, and also returns the edge of each entry, of shape (num_edges,), int64."""
    edge_index = edge_index.detach().cpu().long()
    if edge_index.dim() != 2 or edge_index.size(0) != 2:
        raise _invalid(
            f"edge_index has shape {tuple(edge_index.shape)}; expected (2, num_edges).",
            "Give sources in the first row and targets in the second.",
        )
    _check_nodes(edge_index, num_nodes, "edge_index")
    order, rowptr = sorted_entries(edge_index[0], edge_index[1], (num_nodes, num_nodes))
    col = edge_index[1].index_select(0, order)
    if edge_weight is None:
        return Neighbors(rowptr, col), order
    weight = edge_weight.detach().cpu().double().reshape(-1)
    if weight.numel() != col.numel():
        raise _invalid(
            f"There are {weight.numel()} edge weights for {col.numel()} edges; expected one each.",
            "Give edge_weight in the order of edge_index.",
        )
    if not bool((weight.isfinite() & (weight >= 0)).all()):
        wrong = weight[~(weight.isfinite() & (weight >= 0))][0].item()
        raise _invalid(
            f"An edge weighs {wrong}; a walk takes an edge with a probability proportional to its weight, which must "
            "be finite and not negative.",
            "Remove or correct these edges, or leave edge_weight out.",
        )
    from eco_core.ops import _random_walk_kernels as kernels

    cumulative = torch.empty_like(weight)
    kernels.row_sums(rowptr.numpy(), weight[order].numpy(), cumulative.numpy())
    return Neighbors(rowptr, col, cumulative), order


def random_walks(
    edges: Tensor | Neighbors,
    start: Tensor,
    walk_length: int,
    *,
    p: float = 1.0,
    q: float = 1.0,
    edge_weight: Tensor | None = None,
    num_nodes: int | None = None,
    seed: int = 0,
) -> Tensor:
    r"""Samples walks along edges (Grover & Leskovec, node2vec, KDD 2016, arXiv 1607.00653).

    A walk that came from t to v goes on to a neighbour x of v with a probability proportional to
    :math:`\alpha(t, x) \cdot w_{vx}`, where :math:`\alpha` is :math:`1/p` if x is t, 1 if there is an edge from t to x,
    and :math:`1/q` otherwise. With p = q = 1, and in the first step, only the weights count. The bias is exact, by
    rejection sampling: time per step does not grow with the degree, and nothing is stored for pairs of edges.

    A walk at a node without outgoing edges (or with weights of 0 only) stays there until its end.

    The n-th walk depends only on the seed, on n and on its start, not on the number of threads or walks. Many walks run
    on as many threads as torch uses.

    Args:
        edges: The result of `neighbors_of`, or edges of shape (2, num_edges), which are sorted anew at each call.
        start: First node of each walk, shape (num_walks,), int64.
        walk_length: Number of steps, at least 0.
        p: Return parameter, above 0: large values make a walk less likely to go back where it came from.
        q: In-out parameter, above 0: large values keep a walk near where it came from.
        edge_weight: Weights of the edges, shape (num_edges,), if ``edges`` is a tensor.
        num_nodes: Number of nodes, if ``edges`` is a tensor; default: the largest node in ``edges`` and ``start``, plus
            one.
        seed: Any integer.

    Returns:
        The nodes of the walks, shape (num_walks, walk_length + 1), int64, on the device of ``start``; the first column
        is ``start``.

    Raises:
        ValueError: If ``walk_length``, ``p`` or ``q`` is out of range, or ``edge_weight`` comes with a `Neighbors`.
        DataError: ECO303, for edges, weights or start nodes that are invalid.
    """
    if walk_length < 0:
        raise ValueError(f"walk_length is {walk_length}; expected at least 0 steps.")
    for name, value in (("p", p), ("q", q)):
        if not value > 0:
            raise ValueError(f"{name} is {value}; expected a number above 0.")
    nodes = start.detach().cpu().long().reshape(-1)
    if isinstance(edges, Neighbors):
        if edge_weight is not None or num_nodes not in (None, edges.num_nodes):
            raise ValueError("The Neighbors have edge_weight and num_nodes; pass these to neighbors_of instead.")
        neighbors = edges
    else:
        ends = [int(tensor.max()) + 1 for tensor in (edges, nodes) if tensor.numel()]
        neighbors = neighbors_of(edges, max(ends, default=0) if num_nodes is None else num_nodes, edge_weight)
    _check_nodes(nodes, neighbors.num_nodes, "start")
    walks = torch.empty(nodes.numel(), walk_length + 1, dtype=torch.int64)
    walks[:, 0] = nodes
    if walk_length and nodes.numel():
        _fill(neighbors, walks, p, q, seed)
    return walks.to(start.device)


def walk_batch(
    graph: Any,
    edge_index: Tensor,
    edge_weight: Tensor | None,
    neighbors: Neighbors | None,
    *,
    num_nodes: int,
    batch_size: int | None,
) -> tuple[Tensor, Neighbors]:
    """Draws the start nodes of one batch of walks, for a step without given walks.

    Args:
        graph: The graph, or a mini-batch of it (which has ``n_id``).
        edge_index: The step's edges, of shape (2, num_edges).
        edge_weight: Their weights, of shape (num_edges,); None: all the same.
        neighbors: The prepared neighbours of the whole graph. For a mini-batch, which numbers its nodes anew, the edges
            of the mini-batch are sorted instead.
        num_nodes: Number of nodes of the step.
        batch_size: Number of start nodes; None: all.

    Returns:
        Different nodes, (at most batch_size,), int64, drawn by torch's generator of the CPU; and the neighbours to walk
        along.
    """
    if neighbors is None or is_mini_batch(graph):
        neighbors = neighbors_of(edge_index, num_nodes, edge_weight)
    return torch.randperm(neighbors.num_nodes)[:batch_size], neighbors


def frequent_visits(
    neighbors: Neighbors,
    start: Tensor,
    num_walks: int,
    walk_length: int,
    *,
    least: int = 1,
    seed: int = 0,
    visits_at_a_time: int = _VISITS_AT_A_TIME,
) -> Tensor:
    """Finds the nodes that walks visit often, without holding all walks (those of `random_walks`) in memory.

    From every start go ``num_walks`` walks, and each step is a visit; a walk that cannot go on visits the same node
    again. Walk w from the n-th start is the walk ``n * num_walks + w`` of `random_walks` with the same seed.

    Args:
        neighbors: The result of `neighbors_of`.
        start: Start nodes, shape (num_starts,), int64.
        num_walks: Walks from each start, at least 1.
        walk_length: Number of steps of a walk, at least 1.
        least: Least number of visits, at least 1.
        seed: Any integer.
        visits_at_a_time: Visits that there is room for, unless one start has more: it bounds the memory alone.

    Returns:
        Pairs of a start and another node that its walks visit at least ``least`` times, of shape (2, num_found), dtype
        int64, on the CPU: in the order of ``start``, then of first visits.

    Raises:
        ValueError: If a number is below 1.
        DataError: ECO303, for start nodes that do not exist.
    """
    for name, value in (("num_walks", num_walks), ("walk_length", walk_length), ("least", least)):
        if value < 1:
            raise ValueError(f"{name} is {value}; expected at least 1.")
    nodes = start.detach().cpu().long().reshape(-1).contiguous()
    _check_nodes(nodes, neighbors.num_nodes, "start")
    kept = torch.empty_like(nodes)
    written = list(_visited_often(neighbors, nodes, (num_walks, walk_length), least, seed, kept, visits_at_a_time))
    pairs = torch.empty(2, int(kept.sum()), dtype=torch.int64)
    pairs[0] = nodes.repeat_interleave(kept)
    torch.cat([nodes[:0], *written], out=pairs[1])
    return pairs


def _visited_often(
    neighbors: Neighbors,
    nodes: Tensor,
    walks: tuple[int, int],
    least: int,
    seed: int,
    kept: Tensor,
    visits_at_a_time: int,
) -> Iterator[Tensor]:
    """Yields the nodes that `frequent_visits` finds, in parts; writes their number for each start to ``kept``."""
    from eco_core.ops import _random_walk_kernels as kernels

    visits = walks[0] * walks[1]
    at_a_time = min(nodes.numel(), max(1, visits_at_a_time // visits))
    found = torch.empty(at_a_time * visits, dtype=torch.int64)
    cumulative = np.empty(0) if neighbors.cumulative is None else neighbors.cumulative.numpy()
    graph = (neighbors.rowptr.numpy(), neighbors.col.numpy(), cumulative, nodes.numpy())
    settings = (*walks, np.uint64(seed % 2**64), least)
    for start in range(0, nodes.numel(), max(1, at_a_time)):
        rows = min(at_a_time, nodes.numel() - start)
        threads = number_of_threads(rows * visits, _STEPS_A_THREAD)
        bounds = [start + rows * part // threads for part in range(threads + 1)]
        run_in_threads(kernels.keep_frequent_visits, (*graph, *settings, start, found.numpy(), kept.numpy()), bounds)
        for first, last in pairwise(bounds):
            yield found[(first - start) * visits :][: int(kept[first:last].sum())].clone()


def _fill(neighbors: Neighbors, walks: Tensor, p: float, q: float, seed: int) -> None:
    from eco_core.ops import _random_walk_kernels as kernels

    cumulative = np.empty(0) if neighbors.cumulative is None else neighbors.cumulative.numpy()
    graph: tuple[Any, ...] = (neighbors.rowptr.numpy(), neighbors.col.numpy(), cumulative, walks.numpy())
    settings: tuple[Any, ...] = (np.uint64(seed % 2**64), 1.0 / p, 1.0 / q)
    threads = number_of_threads(walks.size(0) * (walks.size(1) - 1), _STEPS_A_THREAD)
    bounds = [walks.size(0) * part // threads for part in range(threads + 1)]
    if neighbors.cumulative is None and p == q == 1:
        arguments = (neighbors.rowptr.numpy(), neighbors.col.numpy(), walks.numpy(), settings[0])
        run_in_threads(kernels.fill_uniform_walks, arguments, bounds)
    else:
        run_in_threads(kernels.fill_walks, (*graph, *settings), bounds)


def _check_nodes(nodes: Tensor, num_nodes: int, what: str) -> None:
    """Raises an error for nodes out of range: the compiled code reads memory at these positions without a check."""
    if nodes.numel() == 0:
        return
    low, high = int(nodes.min()), int(nodes.max())
    if low < 0 or high >= num_nodes:
        raise _invalid(
            f"{what} names node {low if low < 0 else high}, but the graph has {num_nodes} nodes, numbered from 0.",
            f"Use nodes from 0 to {num_nodes - 1}." if num_nodes else "Give the number of nodes.",
        )


def _invalid(message: str, fix: str) -> DataError:
    return DataError(Problem("ECO303", message, fix))
