"""Estimates of sums over a whole graph from the nodes and edges of a mini-batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


def is_mini_batch(graph: Any) -> bool:
    """Whether a graph is a sampled part of another graph: samplers then give it ``n_id``, the numbers of its nodes."""
    return getattr(graph, "n_id", None) is not None


class Sample(NamedTuple):
    r"""How the rows of a mini-batch were drawn: q of P units, all sets of q equally likely, each with all its nodes.

    A unit is a single node, or a group of nodes. A node is in the mini-batch with probability :math:`q / P`, two nodes
    of different units with probability :math:`q (q - 1) / (P (P - 1))`: a sum divided by its probability has the sum
    over the whole graph as its expectation (Horvitz & Thompson, JASA 1952).

    Attributes:
        num_units: The number of units P.
        num_drawn: The number of drawn units q.
        unit: The drawn unit of each row, numbered from 0: shape (num_rows,), int64.
    """

    num_units: int
    num_drawn: int
    unit: Tensor

    @property
    def node_scale(self) -> float:
        """The factor of a sum over nodes."""
        return self.num_units / self.num_drawn

    @property
    def pair_scale(self) -> float:
        """The factor of a sum over pairs of nodes of different units.

        With a single drawn unit there is no such pair; the factor is then its limit for many units.
        """
        if self.num_drawn == 1:
            return self.node_scale**2
        return self.node_scale * (self.num_units - 1) / (self.num_drawn - 1)

    def edge_scale(self, edge_index: Tensor) -> Tensor:
        """Returns the factor of each edge in a sum over edges.

        Args:
            edge_index: Rows of shape (2, num_edges), int64.

        Returns:
            Shape (num_edges,), float32.
        """
        source, target = self.unit[edge_index]
        scales = torch.tensor([self.pair_scale, self.node_scale], device=edge_index.device)
        return scales[(source == target).long()]

    def square_of_sum(self, x: Tensor) -> Tensor:
        """Estimates the squared length of a sum of vectors over all nodes of the graph, without bias.

        The square of the estimated sum would be larger on average, by the variance of the estimated sum.

        Args:
            x: A vector for each row, of shape (num_rows, width).

        Returns:
            A scalar; it can be negative.
        """
        if self.num_drawn == len(x):  # Units are single nodes.
            within = x.square().sum()
        else:
            within = x.new_zeros(self.num_drawn, x.size(1)).index_add(0, self.unit, x).square().sum()
        return self.pair_scale * (x.sum(dim=0).square().sum() - within) + self.node_scale * within


class BatchRows(NamedTuple):
    """The rows that heads and objectives get in a mini-batch: its seed nodes, and the graph's edges among them.

    Attributes:
        n_id: The node of each row in the graph, of shape (num_rows,), int64.
        edge_index: The edges between these nodes, as rows, of shape (2, num_edges), int64.
        edge_weight: Their weights, of shape (num_edges,), divided by the probability that the mini-batch has the edge,
            so that sums estimate sums over the graph. None if it is unknown how the rows were drawn and all weights are
            1.
        e_id: The index of each edge in the graph, of shape (num_edges,), int64; None if unknown.
        sample: How the rows were drawn; None if unknown.
    """

    n_id: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None = None
    e_id: Tensor | None = None
    sample: Sample | None = None


class SampledEdges(NamedTuple):
    r"""Scales of the sampled edges of a mini-batch, so that an encoder's sums over neighbours estimate the graph's.

    Attributes:
        scale: The factor of each edge's weight: the number of the graph's edges that point to its target, divided by
            the number of these that were sampled. Shape (num_edges,), float32.
        in_degree: For each node of the mini-batch, the sum of the weights of all the graph's edges that point to it
            from other nodes, sampled or not (no edge of the last hop's nodes is sampled). Shape (num_nodes,), float32.
    """

    scale: Tensor
    in_degree: Tensor

    @classmethod
    def of(cls, graph: Any) -> SampledEdges | None:
        """Reads the scales from a mini-batch or a view of it; None for other graphs, and for views with other edges."""
        scale, in_degree = getattr(graph, "edge_scale", None), getattr(graph, "in_degree", None)
        if scale is None or in_degree is None or len(scale) != graph.edge_index.size(1):
            return None
        return cls(scale, in_degree)


__all__ = ["BatchRows", "Sample", "SampledEdges", "is_mini_batch"]
