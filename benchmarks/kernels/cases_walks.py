"""Random walks, and the pairs of nodes that they bring together."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from eco_contrastive.modularity_pairs import modularity_pairs
from torch import Tensor

from benchmarks.kernels.case import Case, Way, Work, require
from benchmarks.kernels.graphs import Graph
from benchmarks.kernels.obvious_walks import PythonWalker, pairs_by_loop, pairs_by_unique
from benchmarks.side_by_side.pyagc_walks import uniform_walks
from eco_core.ops.random_walks import random_walks

_LENGTH = 10
_RETURN, _FAR = 0.5, 2.0
_SAMPLE = 200
"""Number of start nodes of the walker in Python; its time is scaled to all nodes."""

_NUM_WALKS, _WALK_LENGTH = 100, 2
_LOOP_SAMPLE = 300
"""Number of nodes of the loop over nodes; its time is scaled to all nodes."""

_SIGMAS = 6.0
"""Means of random numbers may differ by this many standard errors."""


def cases(graph: Graph) -> Iterator[Case]:
    """Yields the cases of a graph."""
    yield from _walks(graph)
    yield _modularity_pairs(graph)


def _graph_bytes(graph: Graph) -> int:
    return graph.neighbors.rowptr.nbytes + graph.neighbors.col.nbytes


def _sample(graph: Graph, size: int) -> Tensor:
    order = torch.randperm(graph.num_nodes, generator=torch.Generator().manual_seed(0))
    return order[:size].sort().values


def _walks(graph: Graph) -> Iterator[Case]:
    neighbors, start = graph.neighbors, torch.arange(graph.num_nodes)
    sample = _sample(graph, _SAMPLE)
    first, scale = sample.tolist(), graph.num_nodes / len(sample)
    walker = PythonWalker(neighbors.rowptr, neighbors.col)
    of_python = f"Python walker ({len(sample)} nodes, scaled)"
    work = Work(_graph_bytes(graph) + 8.0 * graph.num_nodes * (_LENGTH + 2))

    def check(ours: Any, theirs: Any) -> str:
        if theirs.size(0) != ours.size(0):
            ours = ours[sample]
        _check_walks(graph, ours, theirs)
        return ""

    yield Case(
        f"random_walks, uniform, length {_LENGTH}",
        lambda: random_walks(neighbors, start, _LENGTH),
        [
            Way("torch walker", lambda: uniform_walks(neighbors.rowptr, neighbors.col, start, _LENGTH)),
            Way(of_python, lambda: walker.walks(first, _LENGTH), scale),
        ],
        work,
        check,
    )
    yield Case(
        f"random_walks, p = {_RETURN}, q = {_FAR}, length {_LENGTH}",
        lambda: random_walks(neighbors, start, _LENGTH, p=_RETURN, q=_FAR),
        [Way(of_python, lambda: walker.walks(first, _LENGTH, _RETURN, _FAR), scale)],
        work,
        check,
    )


def _check_walks(graph: Graph, ours: Tensor, theirs: Tensor) -> None:
    """Checks that steps follow edges, and that both ways return equally often and end at equal mean degrees."""
    degree, num_nodes = graph.neighbors.rowptr.diff(), graph.num_nodes
    edges = graph.edge_index[0] * num_nodes + graph.edge_index[1]
    for walks in (ours, theirs):
        before, after = walks[:, :-1], walks[:, 1:]
        stays = (degree[before] == 0) & (before == after)
        require((torch.isin(before * num_nodes + after, edges) | stays).all(), "a step follows no edge")
    _check_means(*((walks[:, 2:] == walks[:, :-2]).double().mean(dim=1) for walks in (ours, theirs)))
    _check_means(*(degree[walks[:, -1]].double() for walks in (ours, theirs)))


def _check_means(ours: Tensor, theirs: Tensor) -> None:
    error = (ours.var() / ours.numel() + theirs.var() / theirs.numel()).sqrt()
    difference = (ours.mean() - theirs.mean()).abs()
    require(difference <= _SIGMAS * error, f"means {ours.mean():.4g} and {theirs.mean():.4g}, error {error:.2g}")


def _modularity_pairs(graph: Graph) -> Case:
    rowptr, col = graph.neighbors.rowptr, graph.neighbors.col
    nodes, everyone = _sample(graph, _LOOP_SAMPLE), torch.arange(graph.num_nodes)
    sample, scale = f"{len(nodes)} nodes, scaled", graph.num_nodes / len(nodes)
    by_loop = partial(pairs_by_loop, rowptr, col, nodes, _NUM_WALKS, _WALK_LENGTH)

    def check(ours: Any, theirs: Any) -> str:
        counts = [torch.bincount(pairs[0], minlength=graph.num_nodes)[nodes].double() for pairs in (ours, theirs)]
        _check_means(*counts)
        return ""

    return Case(
        f"modularity_pairs, {_NUM_WALKS} walks of length {_WALK_LENGTH}",
        lambda: modularity_pairs(graph.neighbors, _NUM_WALKS, _WALK_LENGTH),
        [
            Way(f"loop over nodes, tensors ({sample})", partial(by_loop, as_lists=False), scale),
            Way(f"loop over nodes, lists ({sample})", partial(by_loop, as_lists=True), scale),
            Way(
                "one torch.unique",
                lambda: pairs_by_unique(rowptr, col, everyone, _NUM_WALKS, _WALK_LENGTH),
            ),
        ],
        lambda pairs: Work(_graph_bytes(graph) + pairs.nbytes),
        check,
    )
