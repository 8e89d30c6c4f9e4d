"""The positive pairs of MAGI: nodes that random walks bring together more often than chance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from eco_core.ops.all_pairs import pair_matrix
from eco_core.ops.random_walks import Neighbors, frequent_visits


class PositivePairs(NamedTuple):
    """Pairs of nodes, and the weights that a contrastive loss over them needs; made by `positive_pairs`.

    Attributes:
        pairs: The nodes, of shape (2, num_pairs), dtype int64.
        matrix: Symmetric weights of the pairs, from `eco_core.ops.all_pairs.pair_matrix`; they sum up to 1.
        share: For each node, the share of the pairs that have it as first node, of shape (num_nodes,).
    """

    pairs: Tensor
    matrix: Tensor
    share: Tensor


class WalkPairs:
    """The positive pairs of a graph, sampled on demand: of all nodes, or of a mini-batch.

    A pair depends only on the walks from its first node. For a mini-batch, walks start at its nodes, and the pairs
    within the mini-batch are kept: the pairs of a large graph are never all in memory.

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
        """Returns the pairs of all nodes, the same in every call.

        Args:
            device: Device of the result.
        """
        if self._all is None or self._all.pairs.device != device:
            pairs = modularity_pairs(self._neighbors, *self._walks, self._seed)
            self._all = positive_pairs(pairs.to(device), self._neighbors.num_nodes)
        return self._all

    def among(self, n_id: Tensor) -> PositivePairs:
        """Samples the pairs within a mini-batch, as rows of the mini-batch; torch's generator draws the seed.

        Args:
            n_id: The node of each row of the mini-batch, of shape (num_rows,).
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
    """Makes the `PositivePairs` of a list of pairs.

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

    From every node v start ``num_walks`` walks of ``walk_length`` steps. Let :math:`S_{vu}` be the share of their
    visits that go to u, without the start itself. The modularity of a pair is this share minus an even share:

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
        (2, num_pairs), dtype int64, on the CPU. A node that reaches no other node has no pairs.
    """
    num_nodes, visits = neighbors.num_nodes, num_walks * walk_length
    # The walks' seed is drawn, not ``seed`` itself: the published figures were made with these walks.
    walks_seed = int(torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(seed)))
    return frequent_visits(
        neighbors,
        torch.arange(num_nodes) if nodes is None else nodes,
        num_walks,
        walk_length,
        least=visits // max(1, num_nodes) + 1,
        seed=walks_seed,
    )
