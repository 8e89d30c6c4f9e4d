"""The positive pairs of MAGI: nodes that random walks bring together more often than chance."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from eco_core.ops.all_pairs import pair_matrix
from eco_core.ops.random_walks import Neighbors, random_walks
from eco_core.ops.threads import number_of_threads, run_in_threads

_CHUNK_VISITS = 1 << 23
"""Visits that are counted at a time: 64 MB of them."""

_VISITS_A_THREAD = 2**17
"""Visits below which another thread costs more than it saves: about a millisecond of work."""


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

    def among(self, n_id: Tensor) -> PositivePairs:
        """Returns the pairs of which both nodes are in a batch, as rows of the batch.

        Args:
            n_id: Which node each row of the batch is, of shape (num_rows,).
        """
        row = torch.full_like(self.share, -1, dtype=torch.int64)
        row[n_id] = torch.arange(n_id.numel(), device=n_id.device)
        pairs = row[self.pairs]
        return positive_pairs(pairs[:, (pairs >= 0).all(dim=0)], n_id.numel())


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


def modularity_pairs(neighbors: Neighbors, num_walks: int, walk_length: int, seed: int = 0) -> Tensor:
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

    Returns:
        The pairs (v, u) with :math:`B_{vu} > 0` and :math:`u \ne v`, sorted, of shape (2, num_pairs), dtype int64, on
        the CPU. A node from which no other one can be reached has none.
    """
    num_nodes, visits = neighbors.num_nodes, num_walks * walk_length
    generator = torch.Generator().manual_seed(seed)
    found = []
    for nodes in torch.arange(num_nodes).split(max(1, _CHUNK_VISITS // visits)):
        # Walks are numbered within a call: every call has a seed of its own.
        walks_seed = int(torch.randint(2**63 - 1, (), generator=generator))
        walks = random_walks(neighbors, nodes.repeat_interleave(num_walks), walk_length, seed=walks_seed)
        found.append(
            _frequent(walks.view(nodes.numel(), num_walks * (walk_length + 1)), visits // max(1, num_nodes) + 1)
        )
    return torch.cat(found, dim=1) if found else torch.empty(2, 0, dtype=torch.int64)


def _frequent(visits: Tensor, least: int) -> Tensor:
    """Returns the pairs of each row's node, in the first column, and those of the others that come up often enough.

    Args:
        visits: Nodes of shape (num_rows, num_visits), int64, which are overwritten.
        least: How often a node comes up at least.
    """
    from eco_contrastive import _visit_kernels as kernels

    start, kept = visits[:, 0].clone(), torch.empty(visits.size(0), dtype=torch.int64)
    threads = number_of_threads(visits.numel(), _VISITS_A_THREAD)
    bounds = [visits.size(0) * part // threads for part in range(threads + 1)]
    run_in_threads(kernels.keep_frequent, (visits.numpy(), least, kept.numpy()), bounds)
    taken = torch.arange(visits.size(1)) < kept.unsqueeze(1)
    return torch.stack([start.repeat_interleave(kept), visits[taken]])
