"""The head of the deep modularity network: soft modularity, and a term against collapse."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from eco_core import LossOutput
from eco_core.ops.partition import Links
from eco_core.parts import LinearClusterHead, checked
from eco_modularity.modularity import modularity


@checked
class DMoNClusterHead(LinearClusterHead):
    r"""The head of DMoN, the deep modularity network (Tsitsulin et al., JMLR 2023, arXiv 2006.16904).

    The soft assignment :math:`S = \mathrm{softmax}(Z W^T + b)` maximises modularity, and a second term keeps it from
    putting all nodes into one cluster:

    .. math::
        L = - \frac{1}{2m} \mathrm{Tr}(S^T B S) + \lambda \left( \frac{\sqrt{K}}{N}
            \Big\lVert \sum_i S_i^T \Big\rVert_F - 1 \right), \qquad
        B = A - \frac{d d^T}{2m}

    with the degrees d and the number of edges m; weights of edges count in both. On a hard assignment the first part is
    minus the modularity of the clusters. The second part is 0 for clusters of the same size and :math:`\sqrt{K} - 1` if
    one cluster has all nodes.

    In a mini-batch the first part is an unbiased estimate of the graph's first part. The second part is computed on the
    mini-batch, whose cluster sizes are less equal: on average it is larger than the graph's. The difference falls as
    mini-batches grow.

    A is the weighted adjacency matrix that the entries of ``edge_index`` add up to: an undirected edge is stored in
    both directions, a loop once. A directed graph is taken as the undirected graph :math:`(A + A^T) / 2`, as by the
    metric ``modularity``.

    Args:
        n_clusters: Number of clusters K.
        n_features: Width of the embeddings.
        lam: Weight :math:`\lambda` of the term against collapse.
    """

    def __init__(self, n_clusters: int, n_features: int, lam: Annotated[float, Field(ge=0)] = 1.0) -> None:
        super().__init__(n_clusters, n_features)
        self.lam = lam

    def prepare(self, graph: Any) -> Mapping[str, Any]:
        """Computes the degrees of the graph once: the value of ``links`` in `forward`."""
        edge_weight = getattr(graph, "edge_weight", None)
        return {"links": Links(graph.edge_index, edge_weight, num_nodes=graph.num_nodes)}

    def forward(
        self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, links: Links | None = None
    ) -> LossOutput:
        """Returns the loss, with its parts ``modularity`` (negative: lower is better) and ``collapse``.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
            links: From `prepare`; for a mini-batch its own links, which have the graph's degrees. Links of another
                graph are ignored.
        """
        s = self.assignment(z)
        links = Links.for_step(links, edge_index, edge_weight, num_nodes=z.size(0))
        return LossOutput.weighted(modularity=(1.0, -modularity(s, links)), collapse=(self.lam, collapse(s)))


def collapse(s: Tensor) -> Tensor:
    r"""Returns how unequal the cluster sizes are: 0 if equal, :math:`\sqrt{K} - 1` if one cluster has all nodes.

    Args:
        s: Assignments of shape (num_nodes, n_clusters), rows sum to 1.
    """
    return math.sqrt(s.size(1)) * s.mean(dim=0).norm() - 1
