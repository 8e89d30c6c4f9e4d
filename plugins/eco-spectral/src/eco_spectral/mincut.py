"""The head of MinCut: the relaxed normalised cut, and a term that keeps clusters orthogonal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from eco_core import LossOutput
from eco_core.ops.partition import Links
from eco_core.parts import LinearClusterHead, checked


@checked
class MinCutClusterHead(LinearClusterHead):
    r"""The head of MinCut (Bianchi et al., ICML 2020, arXiv 1907.00481).

    The soft assignment :math:`S = \mathrm{softmax}((Z W^T + b) / \tau)` minimises the relaxed normalised cut, and a
    second term keeps clusters disjoint and of the same size:

    .. math::
        L = - \frac{\mathrm{Tr}(S^T A S)}{\mathrm{Tr}(S^T D S)} + \lambda \left\lVert
            \frac{S^T S}{\lVert S^T S \rVert_F} - \frac{I_K}{\sqrt{K}} \right\rVert_F

    A is the weighted adjacency matrix that the entries of ``edge_index`` add up to: an undirected edge is stored in
    both directions, a loop once. D holds its degrees. On a hard assignment the first part is minus the share of the
    weight that stays within clusters. A directed graph is taken as the undirected graph :math:`(A + A^T) / 2`, so that
    the first part is at least -1. In the paper, A is the symmetrically normalised adjacency matrix; here A is the
    graph's own, so that the first part is the cut of the graph itself.

    In a mini-batch, the numerator and the denominator of the first part are unbiased estimates of the graph's values.
    So is :math:`S^T S`, up to a factor that cancels. The bias of the loss vanishes as mini-batches grow.

    Args:
        n_clusters: Number of clusters K.
        n_features: Width of the embeddings.
        lam: Weight :math:`\lambda` of the orthogonality term.
        temperature: The temperature :math:`\tau`.
        squared: Whether the orthogonality term is the square of the norm, as in published tables that compare methods.
            The gradient of the norm, as in the paper, stays the same when the norm becomes small, and keeps pushing
            clusters towards the same size; the gradient of the square vanishes with the norm.
    """

    def __init__(
        self,
        n_clusters: int,
        n_features: int,
        lam: Annotated[float, Field(ge=0)] = 1.0,
        temperature: Annotated[float, Field(gt=0)] = 1.0,
        squared: bool = False,
    ) -> None:
        super().__init__(n_clusters, n_features, temperature)
        self.lam = lam
        self.squared = squared

    def prepare(self, graph: Any) -> Mapping[str, Any]:
        """Computes the degrees of the graph once: the value of ``links`` in `forward`."""
        edge_weight = getattr(graph, "edge_weight", None)
        return {"links": Links(graph.edge_index, edge_weight, num_nodes=graph.num_nodes)}

    def forward(
        self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, links: Links | None = None
    ) -> LossOutput:
        """Returns the loss, with its parts ``cut`` (from -1, no cut at all, to 0) and ``orthogonality``.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
            links: From `prepare`; for a mini-batch its own links, which have the graph's degrees. Links of another
                graph are ignored.
        """
        s = self.assignment(z)
        links = Links.for_step(links, edge_index, edge_weight, num_nodes=z.size(0))
        apart = orthogonality(s, self.squared)
        return LossOutput.weighted(cut=(1.0, cut(s, links)), orthogonality=(self.lam, apart))


def cut(s: Tensor, links: Links) -> Tensor:
    """Returns minus the relaxed share of the links that stays within clusters, a scalar; 0 for a graph without edges.

    Args:
        s: Assignments of shape (num_nodes, n_clusters), rows sum to 1.
        links: The edges.
    """
    with torch.autocast(device_type=s.device.type, enabled=False):
        degree = (links.out_degree + links.in_degree).to(s.dtype) / 2
        volume = degree @ s.square().sum(dim=1)
        return -links.within(s).sum() / volume.clamp(min=torch.finfo(s.dtype).tiny)


def orthogonality(s: Tensor, squared: bool = False) -> Tensor:
    """Returns how far clusters are from being disjoint and of the same size, a scalar from 0 to below the root of 2.

    Args:
        s: Assignments of shape (num_nodes, n_clusters), rows sum to 1.
        squared: Whether to return the square, from 0 to below 2.
    """
    with torch.autocast(device_type=s.device.type, enabled=False):
        overlap = s.T @ s
        identity = torch.eye(s.size(1), dtype=s.dtype, device=s.device)
        # Not as the root of 2 (1 - Tr / ...): its gradient is infinite at 0, and rounding may make it negative.
        difference = overlap / overlap.norm() - identity / math.sqrt(s.size(1))
        return difference.square().sum() if squared else difference.norm()
