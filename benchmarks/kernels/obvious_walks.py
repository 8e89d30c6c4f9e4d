"""Random walks in plain Python, as a first attempt would be; ``side_by_side`` has a vectorised version in torch."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch
from torch import Tensor

from benchmarks.side_by_side.pyagc_walks import uniform_walks


class PythonWalker:
    """Walks on lists of neighbours, one step of one walk at a time.

    Args:
        rowptr: Where the neighbours of each node begin in ``col``, of shape (num_nodes + 1,).
        col: Neighbours.
    """

    def __init__(self, rowptr: Tensor, col: Tensor) -> None:
        self._neighbors = [part.tolist() for part in col.split(rowptr.diff().tolist())]
        self._sets = [set(part) for part in self._neighbors]

    def walks(self, start: Sequence[int], walk_length: int, p: float = 1.0, q: float = 1.0) -> Tensor:
        """Returns walks of shape (num_walks, walk_length + 1); a node without neighbours stays where it is.

        Args:
            start: First nodes.
            walk_length: Number of steps.
            p: node2vec's return parameter.
            q: node2vec's in-out parameter.
        """
        is_uniform = p == 1 and q == 1
        walks = []
        for node in start:
            walk = [node]
            for step in range(walk_length):
                choices = self._neighbors[walk[-1]]
                if not choices:
                    walk.append(walk[-1])
                elif is_uniform or step == 0:
                    walk.append(random.choice(choices))
                else:
                    previous = walk[-2]
                    near = self._sets[previous]
                    weights = [1 / p if node == previous else 1.0 if node in near else 1 / q for node in choices]
                    walk.append(random.choices(choices, weights)[0])
            walks.append(walk)
        return torch.tensor(walks)


def pairs_by_loop(
    rowptr: Tensor, col: Tensor, nodes: Tensor, num_walks: int, walk_length: int, as_lists: bool
) -> Tensor:
    """Finds pairs of positive modularity by a loop over the start nodes and a loop over the nodes that each visits.

    Args:
        rowptr: Where the neighbours of each node begin in ``col``, of shape (num_nodes + 1,).
        col: Neighbours.
        nodes: Start nodes.
        num_walks: Walks from each start node.
        walk_length: Steps of a walk.
        as_lists: Whether the inner loop reads lists of numbers; otherwise it reads tensors, as PyAGC's loop does.

    Returns:
        Pairs of shape (2, num_pairs).
    """
    visits, even = num_walks * walk_length, 1 / (rowptr.numel() - 1)
    walks = uniform_walks(rowptr, col, nodes.repeat_interleave(num_walks), walk_length)
    pairs = []
    for node, visited in zip(nodes.tolist(), walks[:, 1:].reshape(len(nodes), visits), strict=True):
        found = torch.unique(visited, return_counts=True)
        numbers, counts = (part.tolist() for part in found) if as_lists else found
        for number, count in zip(numbers, counts, strict=True):
            if int(number) != node and int(count) / visits > even:
                pairs.append((node, int(number)))
    return torch.tensor(pairs, dtype=torch.int64).reshape(-1, 2).T


def pairs_by_unique(rowptr: Tensor, col: Tensor, nodes: Tensor, num_walks: int, walk_length: int) -> Tensor:
    """Finds the same pairs as `pairs_by_loop`, for all nodes at a time, by counting numbers that stand for pairs.

    Args:
        rowptr: Where the neighbours of each node begin in ``col``, of shape (num_nodes + 1,).
        col: Neighbours.
        nodes: Where walks start.
        num_walks: Walks from each of them.
        walk_length: Steps of a walk.

    Returns:
        Pairs of shape (2, num_pairs).
    """
    num_nodes, visits = rowptr.numel() - 1, num_walks * walk_length
    walks = uniform_walks(rowptr, col, nodes.repeat_interleave(num_walks), walk_length)
    numbers, counts = torch.unique(walks[:, :1] * num_nodes + walks[:, 1:], return_counts=True)
    pairs = torch.stack([numbers // num_nodes, numbers % num_nodes])
    return pairs[:, (counts / visits > 1 / num_nodes) & (pairs[0] != pairs[1])]
