"""Estimates of sums over a whole graph from the nodes and edges of a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor


class Sample(NamedTuple):
    r"""How the rows of a batch were drawn: q of P units, all sets of q equally likely, each with all of its nodes.

    A unit is a single node, or a part of the graph. A node is in the batch with probability :math:`q / P`, two nodes of
    different units with probability :math:`q (q - 1) / (P (P - 1))`: sums that are divided by these have the sums over
    the whole graph as their expectation (Horvitz & Thompson, JASA 1952).

    Attributes:
        num_units: The number of units P.
        num_drawn: How many of them were drawn, q.
        unit: Which of those each row is of, from 0: shape (num_rows,), int64.
    """

    num_units: int
    num_drawn: int
    unit: Tensor

    @property
    def node_scale(self) -> float:
        """By what a sum over nodes is multiplied."""
        return self.num_units / self.num_drawn

    @property
    def pair_scale(self) -> float:
        """By what a sum over pairs of nodes of different units is multiplied.

        A single unit shows no such pair. Its value is then that of many units.
        """
        if self.num_drawn == 1:
            return self.node_scale**2
        return self.node_scale * (self.num_units - 1) / (self.num_drawn - 1)

    def edge_scale(self, edge_index: Tensor) -> Tensor:
        """By what each edge is multiplied in a sum over edges.

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

        The square of the estimated sum would be larger on average, by the variance of that estimate.

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
    """What heads and objectives see of a batch: its seeds, and the edges of the graph among them.

    Attributes:
        n_id: Which node of the graph each row is, of shape (num_rows,), int64.
        edge_index: The edges between these nodes, as rows, of shape (2, num_edges), int64.
        edge_weight: Their weights, of shape (num_edges,), divided by the probability that the batch has the edge, so
            that sums estimate those over the graph; None where nothing is known of how it was drawn, and all are 1.
        e_id: Which edge of the graph each is, of shape (num_edges,), int64; None where that is not known.
        sample: How the rows were drawn; None where that is not known.
    """

    n_id: Tensor
    edge_index: Tensor
    edge_weight: Tensor | None = None
    e_id: Tensor | None = None
    sample: Sample | None = None


class SampledEdges(NamedTuple):
    r"""What the sampled edges of a batch stand for, so that an encoder's sums over neighbours estimate the graph's.

    Attributes:
        scale: By what the weight of each edge is multiplied: of the edges that point to its target, how many there are
            for each that was sampled. Shape (num_edges,), float32.
        in_degree: Of each node of the batch, the sum of the weights of the edges that point to it from other nodes of
            the graph: also of those that were not sampled, such as all of the last hop's. Shape (num_nodes,), float32.
    """

    scale: Tensor
    in_degree: Tensor

    @classmethod
    def of(cls, graph: Any) -> SampledEdges | None:
        """Reads it from a batch or a view of one; None for other graphs, and for views with edges of their own."""
        scale, in_degree = getattr(graph, "edge_scale", None), getattr(graph, "in_degree", None)
        if scale is None or in_degree is None or len(scale) != graph.edge_index.size(1):
            return None
        return cls(scale, in_degree)


__all__ = ["BatchRows", "Sample", "SampledEdges"]
