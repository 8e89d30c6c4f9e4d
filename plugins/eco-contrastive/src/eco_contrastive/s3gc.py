"""S3GC: nodes that meet on a random walk are more alike than random nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from eco_core import LossOutput
from eco_core.ops.csr import csr_tensor
from eco_core.ops.normalize_rows import normalize_rows
from eco_core.ops.random_walks import Neighbors, neighbors_of, random_walks, walk_batch
from eco_core.parts import checked


@checked
class S3GC(nn.Module):
    r"""Contrast along random walks (Devvrit et al., NeurIPS 2022).

    A walk w starts at a node v; :math:`P_w` are the nodes that it visits afterwards, and :math:`N_w` are
    ``num_negative_samples`` times as many nodes, drawn uniformly. The loss is

    .. math::
        L = - \frac{1}{|W|} \sum_{w \in W}
            \frac{\sum_{u \in P_w} e^{\cos(z_v, z_u)}}{\sum_{u \in P_w \cup N_w} e^{\cos(z_v, z_u)}}

    This is SimCLR's loss without its logarithm, as in public implementations; it lies between -1 and 0. The walk and
    the random nodes may contain a node several times, and v itself, too. A walk from a node without edges stays there.

    An epoch visits all nodes, ``batch_size`` of them in each optimisation step; each step runs the encoder once, on the
    whole graph. Walks follow the direction of the edges, in proportion to their weights where there are any. All
    randomness comes from torch's generator of the CPU, so that walks are the same on every device.

    Args:
        walk_length: Number of nodes of a walk, its first included.
        walks_per_node: Walks from each node in an epoch.
        num_negative_samples: Random nodes for each visited one.
        p: Return parameter: large values make a walk less likely to go back where it came from.
        q: In-out parameter: large values keep a walk near where it came from.
        batch_size: Nodes whose walks make one optimisation step; None: all nodes.
    """

    supports_sparse_x = True
    directed = True
    prepared_for_batches = False

    def __init__(
        self,
        walk_length: Annotated[int, Field(ge=2)] = 3,
        walks_per_node: Annotated[int, Field(ge=1)] = 10,
        num_negative_samples: Annotated[int, Field(ge=1)] = 1,
        p: Annotated[float, Field(gt=0)] = 1.0,
        q: Annotated[float, Field(gt=0)] = 1.0,
        batch_size: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__()
        self.walk_length = walk_length
        self.walks_per_node = walks_per_node
        self.num_negative_samples = num_negative_samples
        self.p = p
        self.q = q
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
            ``starts``, ``visited`` and ``drawn``, see `sample`.
        """
        nodes = torch.randperm(neighbors.num_nodes)
        for starts in nodes.split(self.batch_size or neighbors.num_nodes):
            yield dict(zip(("starts", "visited", "drawn"), self.sample(starts, neighbors), strict=True))

    def sample(self, nodes: Tensor, neighbors: Neighbors) -> tuple[Tensor, Tensor, Tensor]:
        """Samples the walks of some nodes, and random nodes to compare with.

        Args:
            nodes: Start nodes of shape (num_starts,), int64.
            neighbors: From `prepare`.

        Returns:
            All int64 and on the CPU: the start nodes, sorted, (num_starts,); the nodes that their walks visit
            afterwards, (num_starts, walks_per_node, walk_length - 1); and nodes drawn uniformly, (num_starts,
            walks_per_node, num_negative_samples * (walk_length - 1)).
        """
        # Sorted, so that the embeddings are read in order.
        nodes = nodes.sort().values
        steps = self.walk_length - 1
        shape = (nodes.numel(), self.walks_per_node, -1)
        starts = nodes.repeat_interleave(self.walks_per_node)
        seed = int(torch.randint(2**63 - 1, ()))
        walks = random_walks(neighbors, starts, steps, p=self.p, q=self.q, seed=seed)
        drawn = torch.randint(neighbors.num_nodes, (starts.numel(), steps * self.num_negative_samples))
        return nodes, walks[:, 1:].reshape(shape), drawn.reshape(shape)

    def forward(
        self,
        encode: Callable[[Any], Tensor],
        graph: Any,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        neighbors: Neighbors | None = None,
        starts: Tensor | None = None,
        visited: Tensor | None = None,
        drawn: Tensor | None = None,
    ) -> LossOutput:
        """Returns the loss of a batch of walks.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, width).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges).
            edge_weight: Their weights, of shape (num_edges,); None: all the same.
            neighbors: From `prepare`.
            starts: From `batches`. If ``starts``, ``visited`` or ``drawn`` is None, the walks of one batch of random
                nodes are sampled.
            visited: From `batches`.
            drawn: From `batches`.

        Returns:
            The loss; its parts ``visited`` and ``drawn`` are the mean cosines of start nodes with visited and with
            drawn nodes.
        """
        z = encode(graph)
        if starts is None or visited is None or drawn is None:
            nodes, neighbors = walk_batch(
                graph, edge_index, edge_weight, neighbors, num_nodes=z.size(0), batch_size=self.batch_size
            )
            starts, visited, drawn = self.sample(nodes, neighbors)
        return self.walk_loss(z, starts, visited, drawn)

    def walk_loss(self, z: Tensor, starts: Tensor, visited: Tensor, drawn: Tensor) -> LossOutput:
        """Returns the loss of embeddings for given walks, with its parts, in single precision at least.

        Args:
            z: Embeddings of shape (num_nodes, width); their length does not matter.
            starts: Start nodes of shape (num_starts,), int64.
            visited: Nodes of shape (num_starts, num_walks, num_visited), int64.
            drawn: Nodes of shape (num_starts, num_walks, num_drawn), int64.
        """
        with torch.autocast(device_type=z.device.type, enabled=False):
            z = normalize_rows(z.to(torch.promote_types(z.dtype, torch.float32)))
            nodes = torch.cat([visited, drawn], dim=2).to(z.device, non_blocking=True)
            cosines = _Products.apply(z, starts.to(z.device, non_blocking=True), nodes.flatten(1)).view(nodes.shape)
            near, far = cosines.split([visited.size(2), drawn.size(2)], dim=2)
            # exp(a) / (exp(a) + exp(b)) is the sigmoid of a - b.
            share = torch.sigmoid(near.logsumexp(dim=2) - far.logsumexp(dim=2))
            return LossOutput(-share.mean(), visited=near.mean(), drawn=far.mean())

    def extra_repr(self) -> str:
        """Returns the parameters of the walks."""
        return f"walk_length={self.walk_length}, walks_per_node={self.walks_per_node}, p={self.p}, q={self.q}"


class _Products(torch.autograd.Function):
    """Inner products of each start node's embedding with the embeddings of its own list of nodes.

    The products are the entries of a sparse matrix, and the matrix times the embeddings is the gradient: no tensor of
    (pairs x width) numbers is made.
    """

    @staticmethod
    def forward(ctx: Any, z: Tensor, starts: Tensor, others: Tensor) -> Tensor:
        """Returns products of shape (num_starts, num_others), for nodes of shapes (num_starts,) and the same."""
        rows, columns, entry = _pattern(others)
        ctx.save_for_backward(z, starts, rows, columns, entry)
        matrix = csr_tensor(rows, columns, z.new_zeros(columns.numel()), (starts.numel(), z.size(0)))
        return torch.sparse.sampled_addmm(matrix, z.index_select(0, starts), z.t(), beta=0).values()[entry]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        """Returns the gradient of the embeddings."""
        z, starts, rows, columns, entry = ctx.saved_tensors
        values = z.new_zeros(columns.numel()).index_add_(0, entry.flatten(), gradient.flatten())
        row = torch.arange(starts.numel(), device=z.device).repeat_interleave(rows.diff())
        size = (z.size(0), starts.numel())
        transposed = torch.sparse_coo_tensor(torch.stack([columns, row]), values, size, check_invariants=False)
        total = torch.sparse.mm(transposed, z.index_select(0, starts))
        matrix = csr_tensor(rows, columns, values, (starts.numel(), z.size(0)))
        return total.index_add_(0, starts, matrix @ z), None, None


def _pattern(others: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Finds the different pairs of each row: a sparse matrix must not have an entry twice.

    Args:
        others: Nodes of shape (num_rows, num_others), int64.

    Returns:
        Where the entries of each row begin, (num_rows + 1,); their columns, (num_entries,), sorted in each row; and the
        index of each pair's entry, (num_rows, num_others).
    """
    nodes, order = others.sort(dim=1)
    first = torch.ones_like(nodes, dtype=torch.bool)
    first[:, 1:] = nodes[:, 1:] != nodes[:, :-1]
    rows = F.pad(first.sum(dim=1).cumsum(0), (1, 0))
    entry = first.flatten().cumsum(0).sub_(1).view(nodes.shape)
    return rows, nodes[first], torch.empty_like(entry).scatter_(1, order, entry)
