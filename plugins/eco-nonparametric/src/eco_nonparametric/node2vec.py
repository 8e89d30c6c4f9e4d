"""node2vec: nodes that meet on random walks get similar vectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from eco_core import LossOutput
from eco_core.errors import Problem, SpecError
from eco_core.ops.random_walks import Neighbors, neighbors_of, random_walks, walk_batch
from eco_core.parts import checked

_BLOCK_ELEMENTS = {"cpu": 2**18}
"""Number of vector elements looked up at a time, by device: on the CPU they fit into its cache; elsewhere 2**26."""


@checked
class Node2Vec(nn.Module):
    r"""Skip-gram with negative sampling on biased random walks (Grover & Leskovec, KDD 2016, arXiv 1607.00653).

    A window of ``context_size`` nodes slides along each walk. The first node v of a window and each other node of the
    window make a pair: P is the set of these pairs. The pairs N are made in the same way from sequences whose nodes
    after the first are drawn uniformly. The loss is

    .. math::
        L = - \frac{1}{|P|} \sum_{(v,u) \in P} \log \sigma(z_v^T z_u)
            - \frac{1}{|N|} \sum_{(v,u) \in N} \log \sigma(-z_v^T z_u)

    with one vector for each node, as in PyG; word2vec has a second vector for each node as context. An epoch visits all
    nodes in random order, ``batch_size`` of them in each optimisation step. Walks follow the direction of the edges, in
    proportion to their weights where there are any; features are not used. This objective is meant for the encoder
    ``embedding``; another encoder runs on the whole graph in each step.

    All randomness comes from torch's generator of the CPU, so that walks are the same on every device.

    Args:
        walk_length: Number of nodes of a walk, its first included.
        context_size: Number of nodes of a window, its first included; at most ``walk_length``.
        walks_per_node: Walks from each node in an epoch.
        p: Return parameter: large values make a walk less likely to go back where it came from.
        q: In-out parameter: large values keep a walk near where it came from.
        num_negative_samples: Sequences of random nodes for each walk.
        batch_size: Nodes whose walks make one optimisation step.

    Raises:
        SpecError: ECO104, if the window is longer than the walks.
    """

    supports_sparse_x = True
    directed = True

    def __init__(
        self,
        walk_length: Annotated[int, Field(ge=2)] = 10,
        context_size: Annotated[int, Field(ge=2)] = 10,
        walks_per_node: Annotated[int, Field(ge=1)] = 10,
        p: Annotated[float, Field(gt=0)] = 1.0,
        q: Annotated[float, Field(gt=0)] = 1.0,
        num_negative_samples: Annotated[int, Field(ge=1)] = 1,
        batch_size: Annotated[int, Field(ge=1)] = 128,
    ) -> None:
        super().__init__()
        if context_size > walk_length:
            raise SpecError(
                Problem(
                    "ECO104",
                    f"context_size is {context_size} and walk_length is {walk_length}; a window cannot be longer than "
                    "the walk that it slides along (both count nodes).",
                    f"Use a context_size from 2 to {walk_length}, or longer walks.",
                )
            )
        self.walk_length = walk_length
        self.context_size = context_size
        self.walks_per_node = walks_per_node
        self.p = p
        self.q = q
        self.num_negative_samples = num_negative_samples
        self.batch_size = batch_size

    def prepare(self, graph: Any, edge_index: Tensor, edge_weight: Tensor | None = None) -> dict[str, Neighbors]:
        """Sorts the edges for the walks, once for each graph: the value of ``neighbors`` in `forward`."""
        return {"neighbors": neighbors_of(edge_index, graph.num_nodes, edge_weight)}

    def batches(self, graph: Any, neighbors: Neighbors) -> Iterator[Mapping[str, Tensor]]:
        """Yields the walks of an epoch, one optimisation step at a time.

        Args:
            graph: The whole graph.
            neighbors: From `prepare`.

        Yields:
            ``positive_walks`` and ``negative_walks``, see `sample`.
        """
        for nodes in torch.randperm(neighbors.num_nodes).split(self.batch_size):
            yield dict(zip(("positive_walks", "negative_walks"), self.sample(nodes, neighbors), strict=True))

    def sample(self, nodes: Tensor, neighbors: Neighbors) -> tuple[Tensor, Tensor]:
        """Samples the walks of some nodes.

        Args:
            nodes: Start nodes of shape (num_starts,), int64.
            neighbors: From `prepare`.

        Returns:
            Walks of shape (num_starts * walks_per_node, walk_length), int64, on the CPU; and sequences of random nodes
            from the same starts, ``num_negative_samples`` times as many.
        """
        starts = nodes.repeat(self.walks_per_node)
        seed = int(torch.randint(2**63 - 1, ()))
        positive = random_walks(neighbors, starts, self.walk_length - 1, p=self.p, q=self.q, seed=seed)
        starts = starts.repeat(self.num_negative_samples)
        drawn = torch.randint(neighbors.num_nodes, (starts.numel(), self.walk_length - 1))
        return positive, torch.cat([starts.unsqueeze(1), drawn], dim=1)

    def forward(
        self,
        encode: Callable[[Any], Tensor],
        graph: Any,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        neighbors: Neighbors | None = None,
        positive_walks: Tensor | None = None,
        negative_walks: Tensor | None = None,
    ) -> LossOutput:
        """Returns the loss of a batch of walks.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges).
            edge_weight: Their weights, of shape (num_edges,); None: all the same.
            neighbors: From `prepare`.
            positive_walks: From `batches`. If this or ``negative_walks`` is None, the walks of one batch of random
                nodes are sampled.
            negative_walks: From `batches`.

        Returns:
            The loss, with its parts ``positive`` and ``negative``.
        """
        z = encode(graph)
        if positive_walks is None or negative_walks is None:
            nodes, neighbors = walk_batch(
                graph, edge_index, edge_weight, neighbors, num_nodes=z.size(0), batch_size=self.batch_size
            )
            positive_walks, negative_walks = self.sample(nodes, neighbors)
        positive, negative = self._terms(z, positive_walks, negative_walks)
        return LossOutput(positive + negative, positive=positive, negative=negative)

    def walk_loss(self, z: Tensor, positive_walks: Tensor, negative_walks: Tensor) -> Tensor:
        """Returns the loss of embeddings for given walks, a scalar.

        Args:
            z: Embeddings of shape (num_nodes, width).
            positive_walks: Walks of shape (num_walks, walk_length), int64.
            negative_walks: Sequences of random nodes, of shape (num_sequences, walk_length), int64.
        """
        positive, negative = self._terms(z, positive_walks, negative_walks)
        return positive + negative

    def _terms(self, z: Tensor, positive_walks: Tensor, negative_walks: Tensor) -> tuple[Tensor, Tensor]:
        walks = torch.cat([positive_walks, negative_walks]).to(z.device, non_blocking=True)
        windows = self.walk_length - self.context_size + 1
        scores = _WindowProducts.apply(z, walks[:, :windows], walks[:, 1:])
        # Node j of a walk is column j - 1; window i has the nodes i + 1 to i + context_size - 1 beside its first.
        window, column = torch.arange(windows).unsqueeze(1), torch.arange(self.walk_length - 1)
        within = (column >= window) & (column < window + self.context_size - 1)
        pairs = scores.flatten(1).index_select(1, within.flatten().nonzero().squeeze(1).to(z.device))
        positive, negative = pairs[: len(positive_walks)], pairs[len(positive_walks) :]
        return -F.logsigmoid(positive).mean(), -F.logsigmoid(-negative).mean()

    def extra_repr(self) -> str:
        """Returns the parameters of the walks."""
        return f"walk_length={self.walk_length}, context_size={self.context_size}, p={self.p}, q={self.q}"


class _WindowProducts(torch.autograd.Function):
    """Inner products of the vectors of window starts with the vectors of their walk's nodes.

    They are computed in blocks of walks whose vectors stay in the cache. The backward pass looks the vectors up again
    and adds the gradient to one table. On a CPU this is more than twice as fast as differentiating through one look-up
    of all vectors, which is bound by memory, and it never holds (walks x nodes x width) numbers.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, starts: Tensor, nodes: Tensor) -> Tensor:
        """Returns products of shape (num_walks, num_starts, num_nodes_of_a_walk)."""
        ctx.save_for_backward(z, starts, nodes)
        products = [
            torch.bmm(F.embedding(first, z), F.embedding(others, z).transpose(1, 2))
            for first, others in zip(*_blocks(z, starts, nodes), strict=True)
        ]
        return torch.cat(products)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Returns the gradient of the embeddings."""
        z, starts, nodes = ctx.saved_tensors
        total = torch.zeros_like(z)
        blocks = _blocks(z, starts, nodes, gradient.to(z.dtype))
        for first, others, weight in zip(*blocks, strict=True):
            from_others = torch.bmm(weight, F.embedding(others, z))
            from_first = torch.bmm(weight.transpose(1, 2), F.embedding(first, z))
            total.index_add_(0, first.flatten(), from_others.flatten(0, 1))
            total.index_add_(0, others.flatten(), from_first.flatten(0, 1))
        return total, None, None


def _blocks(z: Tensor, starts: Tensor, nodes: Tensor, *more: Tensor) -> list[tuple[Tensor, ...]]:
    """Splits tensors with a row for each walk into blocks whose vectors fit into the cache."""
    elements = (starts.size(1) + nodes.size(1)) * z.size(1)
    rows = max(1, _BLOCK_ELEMENTS.get(z.device.type, 2**26) // elements)
    return [tensor.split(rows) for tensor in (starts, nodes, *more)]
