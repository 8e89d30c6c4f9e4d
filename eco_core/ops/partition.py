"""Sums over the edges of a graph, for losses of soft partitions; no (num_nodes x num_nodes) tensor."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from eco_core.ops.csr import csr_matrix, incoming_of
from eco_core.ops.origin import Origin
from eco_core.ops.sample import BatchRows, Sample
from eco_core.ops.sparse_product import csr_product

_BLOCK_ENTRIES = 1 << 20  # Entries of one gathered block of assignments: 4 MB in single precision, about a cache.


class _LinksBetween(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, s: Tensor, edge_index: Tensor, edge_weight: Tensor, block_edges: int) -> Tensor:
        ctx.block_edges = block_edges
        ctx.save_for_backward(s, edge_index, edge_weight)
        links = s.new_zeros(s.size(1), s.size(1))
        for edges, weight in _blocks(edge_index, edge_weight, block_edges):
            links.addmm_((s.index_select(0, edges[0]) * weight).T, s.index_select(0, edges[1]))
        return links

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        s, edge_index, edge_weight = ctx.saved_tensors
        total = torch.zeros_like(s)
        for edges, weight in _blocks(edge_index, edge_weight, ctx.block_edges):
            total.index_add_(0, edges[0], (s.index_select(0, edges[1]) * weight) @ grad.T)
            total.index_add_(0, edges[1], (s.index_select(0, edges[0]) * weight) @ grad)
        return total, None, None, None


def _blocks(edge_index: Tensor, edge_weight: Tensor, size: int) -> Any:
    return zip(edge_index.split(size, dim=1), edge_weight.unsqueeze(1).split(size), strict=True)


def links_between(
    s: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, *, block_edges: int | None = None
) -> Tensor:
    r"""Returns the weight of the edges between clusters, :math:`S^T A S`, in blocks of edges.

    Entry (a, b) is :math:`\sum_{(u, v)} w_{uv} s_{ua} s_{vb}` over the edges from u to v: an undirected edge that is
    stored in both directions counts in both, a loop once.

    Args:
        s: Assignments of shape (num_nodes, n_clusters), soft or hard, of a float dtype.
        edge_index: Edges of shape (2, num_edges), dtype int64.
        edge_weight: Weights of shape (num_edges,), of which no gradient is taken; None: all 1.
        block_edges: Edges of a block; None: as many as have 2^20 assignments.

    Returns:
        Tensor of shape (n_clusters, n_clusters) with the dtype of ``s``. It can be differentiated once, by ``s``.
    """
    if edge_weight is None:
        edge_weight = torch.ones(edge_index.size(1), dtype=s.dtype, device=s.device)
    if block_edges is None:
        block_edges = max(1, _BLOCK_ENTRIES // max(1, s.size(1)))
    with torch.autocast(device_type=s.device.type, enabled=False):
        weight = edge_weight.reshape(-1).to(s.dtype).detach()
        return _LinksBetween.apply(s, edge_index, weight, block_edges)


def out_degrees(edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int, dtype: torch.dtype) -> Tensor:
    """Returns the weight of the edges that leave each node, of shape (num_nodes,).

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64; flip it for the edges that arrive.
        edge_weight: Weights of shape (num_edges,); None: all 1.
        num_nodes: Number of nodes.
        dtype: Dtype of the result.
    """
    if edge_weight is None:
        return torch.bincount(edge_index[0], minlength=num_nodes).to(dtype)
    weight = edge_weight.reshape(-1).to(dtype)
    return weight.new_zeros(num_nodes).index_add_(0, edge_index[0], weight)


def _degrees(
    edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int, dtype: torch.dtype
) -> tuple[Tensor, Tensor]:
    """Returns the weight of the edges that leave each node, and of the edges that arrive."""
    incoming = incoming_of(edge_index)
    if incoming is None or edge_weight is not None:
        edges = (edge_index, edge_index.flip(0))
        leaving, arriving = (out_degrees(each, edge_weight, num_nodes, dtype) for each in edges)
        return leaving, arriving
    leaving = torch.zeros(num_nodes, dtype=torch.int64)
    for sources in incoming.col.split(max(_BLOCK_ENTRIES, 4 * num_nodes)):
        leaving += torch.bincount(sources, minlength=num_nodes) if len(sources) else 0
    return leaving.to(dtype), incoming.rowptr.diff().to(dtype)


class Links:
    r"""The edges of one graph, prepared for the sums of many partitions.

    The degrees and the sparse matrix :math:`A + A^T`, which a loss needs in every step, are computed once; the product
    of the matrix with an assignment is also the gradient. `links_between` needs no such preparation. `of_batch` returns
    the links of a mini-batch, which have the degrees of its nodes in the whole graph.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64.
        edge_weight: Weights of shape (num_edges,), of which no gradient is taken; None: all 1.
        num_nodes: Number of nodes.
        dtype: Dtype of the degrees; the weights' dtype if it is wider.
        made_of: The tensors that `are_of` compares, if the weights were computed from other tensors; default
            ``edge_index`` and ``edge_weight``.

    Attributes:
        out_degree: Weight of the edges that leave each node, of shape (num_nodes,).
        in_degree: Weight of the edges that arrive, of shape (num_nodes,).
        total: Weight of all edges, a scalar: an undirected edge that is stored in both directions counts twice.
        sample: How the rows of a batch were drawn; None for a whole graph.
    """

    def __init__(
        self,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        *,
        num_nodes: int,
        dtype: torch.dtype = torch.float32,
        made_of: tuple[Tensor, Tensor | None] | None = None,
    ) -> None:
        self._origin = Origin(*(made_of or (edge_index, edge_weight)))
        if edge_weight is not None:
            dtype = torch.promote_types(dtype, edge_weight.dtype)
            edge_weight = edge_weight.detach().reshape(-1).to(dtype)
        self.out_degree, self.in_degree = _degrees(edge_index, edge_weight, num_nodes, dtype)
        self.total = self.out_degree.sum()
        self.sample: Sample | None = None
        self._edges = edge_index, edge_weight
        self._matrix: Tensor | None = None

    def __getstate__(self) -> dict[str, Any]:
        # torch cannot copy a CSR tensor; the copy makes its matrix anew when it needs it.
        return {**self.__dict__, "_matrix": None}

    @classmethod
    def for_step(
        cls, prepared: Links | None, edge_index: Tensor, edge_weight: Tensor | None, *, num_nodes: int
    ) -> Links:
        """Returns the prepared links if they were made of the step's edges, else new links.

        Args:
            prepared: The links of the whole graph, or of the step's mini-batch; None: there are none.
            edge_index: The step's edges, of shape (2, num_edges), dtype int64.
            edge_weight: Their weights, of shape (num_edges,); None: all 1.
            num_nodes: Number of nodes of the step.
        """
        if prepared is not None and prepared.are_of(edge_index, edge_weight):
            return prepared
        return cls(edge_index, edge_weight, num_nodes=num_nodes)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, or of a batch's rows."""
        return self.out_degree.numel()

    def of_batch(self, rows: BatchRows) -> Links:
        """Returns the links within a mini-batch, with the degrees and the total of the whole graph.

        They estimate sums over the graph: `within`, and sums over nodes weighted by degree, for which the degrees are
        scaled up.

        Args:
            rows: A mini-batch of the graph of these links.
        """
        batch = copy.copy(self)
        scale = 1.0 if rows.sample is None else rows.sample.node_scale
        batch.out_degree = self.out_degree.index_select(0, rows.n_id) * scale
        batch.in_degree = self.in_degree.index_select(0, rows.n_id) * scale
        batch.sample = rows.sample
        weight = rows.edge_weight
        if self._edges[1] is not None and rows.e_id is not None:
            weight = self._edges[1].index_select(0, rows.e_id)
            if rows.sample is not None:
                weight = weight * rows.sample.edge_scale(rows.edge_index)
        batch._origin = Origin(rows.edge_index, rows.edge_weight)
        batch._edges = rows.edge_index, weight
        batch._matrix = None
        return batch

    def square_of_sum(self, x: Tensor) -> Tensor:
        """Returns the squared length of the sum of vectors over all nodes; for a mini-batch, an unbiased estimate.

        Args:
            x: A vector for each row, of shape (num_rows, width), in proportion to the row's degree.
        """
        if self.sample is None:
            # Torch's sum adds in a tree. A product with a row of ones adds one by one: not precise for 100000 nodes.
            return x.sum(dim=0).square().sum()
        return self.sample.square_of_sum(x / self.sample.node_scale)

    def _both_ways(self) -> Tensor:
        """Returns the sparse matrix of the edges in both directions, made on first use."""
        if self._matrix is None:
            edge_index, edge_weight = self._edges
            if edge_weight is None:
                weight = torch.ones(edge_index.size(1), dtype=self.out_degree.dtype, device=edge_index.device)
            else:
                weight = edge_weight.to(self.out_degree.dtype)
            row, column = torch.cat([edge_index, edge_index.flip(0)], dim=1)
            self._matrix = csr_matrix(row, column, weight.repeat(2), (self.num_nodes, self.num_nodes))
        return self._matrix

    def are_of(self, edge_index: Tensor, edge_weight: Tensor | None = None) -> bool:
        """Whether these links were made of these same tensor objects, not changed since."""
        return self._origin.is_of(edge_index, edge_weight)

    def within(self, s: Tensor) -> Tensor:
        r"""Returns the weight of the links within each cluster, the diagonal of :math:`S^T A S`.

        Args:
            s: Assignments of shape (num_nodes, n_clusters), soft or hard, of a float dtype.

        Returns:
            Tensor of shape (n_clusters,) with the dtype of ``s``, in single precision at least. It can be
            differentiated once, by ``s``.
        """
        # Torch has no sparse kernels in half precision on the CPU, and autocast would choose them.
        dtype = torch.promote_types(s.dtype, torch.float32)
        with torch.autocast(device_type=s.device.type, enabled=False):
            return _LinksWithin.apply(s.to(dtype), self._both_ways().to(dtype))


class _LinksWithin(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, s: Tensor, both_ways: Tensor) -> Tensor:
        gradient = csr_product(both_ways, s)
        ctx.save_for_backward(gradient)
        return (s * gradient).sum(dim=0) / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad, None


__all__ = ["Links", "links_between", "out_degrees"]
