"""The positive pairs of MAGI: nodes that random walks bring together more often than chance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from eco_core.ops.all_pairs import pair_matrix
from eco_core.ops.random_walks import Neighbors, frequent_visits


class PositivePairs(NamedTuple):
    """Pairs of nodes, as a contrast over them needs them; made by `positive_pairs`.

    Attributes:
        pairs: The nodes, of shape (2, num_pairs), dtype int64.
        matrix: Symmetric weights of the pairs, from `eco_core.ops.all_pairs.pair_matrix`; they sum up to 1.
        share: The share of the pairs whose first node is each node, of shape (num_nodes,).
    """

    pairs: Tensor
    matrix: Tensor
    share: Tensor


class WalkPairs:
    """The positive pairs of a graph, sampled when they are asked for: those of all nodes, or of a batch.

    A pair depends on the walks from its first node alone, so that a batch walks from its own nodes and keeps the pairs
    within it: the pairs of a large graph are never all there.

    Args:
        neighbors: The graph, from `eco_core.ops.random_walks.neighbors_of`.
        num_walks: Walks from each node, at least 1.
        walk_length: Steps of a walk, at least 1.
        seed: Seed of the walks from all nodes.
    """

    def __init__(self, neighbors: Neighbors, num_walks: int, walk_length: int, seed: int) -> None:
        self._neighbors, self._walks, self._seed = neighbors, (num_walks, walk_length), seed
        self._all: PositivePairs | None = None
        self._row: Tensor | None = None

    def of_all(self, device: torch.device) -> PositivePairs:
        """Returns the pairs of all nodes, which stay the same.

        Args:
            device: Where they are wanted.
        """
        if self._all is None or self._all.pairs.device != device:
            pairs = modularity_pairs(self._neighbors, *self._walks, self._seed)
            self._all = positive_pairs(pairs.to(device), self._neighbors.num_nodes)
        return self._all

    def among(self, n_id: Tensor) -> PositivePairs:
        """Samples the pairs of which both nodes are in a batch, as rows of the batch; torch's generator draws a seed.

        Args:
            n_id: Which node each row of the batch is, of shape (num_rows,).
        """
        nodes, seed = n_id.cpu(), int(torch.randint(2**62, ()))
        pairs = modularity_pairs(self._neighbors, *self._walks, seed, nodes)
        if self._row is None:
            self._row = torch.full((self._neighbors.num_nodes,), -1)
        self._row[nodes] = torch.arange(nodes.numel())
        rows = self._row[pairs]
        self._row[nodes] = -1
        return positive_pairs(rows[:, rows[1] >= 0].to(n_id.device), nodes.numel())


def positive_pairs(pairs: Tensor, num_nodes: int) -> PositivePairs:
    """Sorts pairs for a contrast over them.

    Args:
        pairs: Nodes of shape (2, num_pairs), dtype int64.
        num_nodes: Number of nodes.
    """
    count = pairs.size(1)
    weight = torch.full((count,), 1.0 / max(1, count), device=pairs.device)
    share = torch.bincount(pairs[0], minlength=num_nodes) / max(1, count)
    return PositivePairs(pairs, pair_matrix(pairs, num_nodes, weight), share)


def modularity_pairs(
    neighbors: Neighbors, num_walks: int, walk_length: int, seed: int = 0, nodes: Tensor | None = None
) -> Tensor:
    r"""Samples the pairs of nodes whose modularity on random walks is positive.

    From every node v start ``num_walks`` walks of ``walk_length`` steps. With :math:`S_{vu}` the share of their visits
    that u gets, the start itself not counted, the modularity of a pair is what is above an even spread:

    .. math::
        B_{vu} = S_{vu} - \frac{1}{N}

    Args:
        neighbors: The graph, from `eco_core.ops.random_walks.neighbors_of`.
        num_walks: Walks from each node, at least 1.
        walk_length: Steps of a walk, at least 1.
        seed: Seed of the walks.
        nodes: The first nodes v of the pairs that are wanted, shape (num_starts,), on the CPU; None: all.

    Returns:
        The pairs (v, u) with :math:`B_{vu} > 0` and :math:`u \ne v`, in the order of ``nodes``, of shape
        (2, num_pairs), dtype int64, on the CPU. A node from which no other one can be reached has none.
    """
    num_nodes, visits = neighbors.num_nodes, num_walks * walk_length
    # Not the seed itself: published figures are of the walks that were drawn in this way.
    walks_seed = int(torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(seed)))
    return frequent_visits(
        neighbors,
        torch.arange(num_nodes) if nodes is None else nodes,
        num_walks,
        walk_length,
        least=visits // max(1, num_nodes) + 1,
        seed=walks_seed,
    )
