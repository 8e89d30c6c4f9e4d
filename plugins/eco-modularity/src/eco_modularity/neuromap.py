"""The head of Neuromap: the map equation of soft communities, and a term against collapse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from eco_core import LossOutput
from eco_core.ops.partition import Links
from eco_core.parts import LinearClusterHead, checked
from eco_modularity.codelength import codelength
from eco_modularity.dmon import collapse
from eco_modularity.flow import smart_teleportation_flow


@checked
class NeuromapClusterHead(LinearClusterHead):
    r"""The head of Neuromap, the map equation goes neural (Bloecker et al., NeurIPS 2024, arXiv 2310.01144).

    The soft assignment :math:`S = \mathrm{softmax}(Z W^T + b)` minimises the codelength: the bits that a step of a
    random walker on the graph takes, coded with one codebook for each community and one for the moves between them:

    .. math::
        L = q \log_2 q - \sum_m q_m \log_2 q_m - \sum_m \bar q_m \log_2 \bar q_m - \sum_u p_u \log_2 p_u
            + \sum_m (\bar q_m + p_m) \log_2 (\bar q_m + p_m)
            + \lambda \left( \frac{\sqrt{K}}{N} \Big\lVert \sum_i S_i^T \Big\rVert_F - 1 \right)

    with the rates p at which nodes u are visited, and the rates q and :math:`\bar q` at which communities m are entered
    and left; see `eco_modularity.codelength`. On a hard assignment, the first part is the codelength of Infomap. The
    walker follows the edges, by their weights, and teleports to links with probability :math:`\alpha` without being
    recorded; see `eco_modularity.flow`. On undirected graphs it needs no teleportation, and :math:`\alpha` changes
    nothing.

    The codelength alone finds how many communities there are, up to K, and may leave some empty: that is the paper's
    loss, ``lam=0``. The second part is DMoN's and keeps all K clusters in use. It is not in the paper; published tables
    that compare methods at a given number of clusters have it.

    Args:
        n_clusters: Number of clusters K, the largest number of communities.
        n_features: Width of the embeddings.
        lam: Weight :math:`\lambda` of the term against collapse.
        alpha: Probability of teleportation :math:`\alpha`.
        n_iters: Largest number of iterations for the rates of visits; they stop earlier on convergence.
    """

    directed = True

    def __init__(
        self,
        n_clusters: int,
        n_features: int,
        lam: Annotated[float, Field(ge=0)] = 1.0,
        alpha: Annotated[float, Field(ge=0, le=1)] = 0.15,
        n_iters: Annotated[int, Field(ge=1)] = 100,
    ) -> None:
        super().__init__(n_clusters, n_features)
        self.lam = lam
        self.alpha = alpha
        self.n_iters = n_iters

    def prepare(self, graph: Any) -> Mapping[str, Any]:
        """Computes once the flow along the edges of the graph: the value of ``flow`` in `forward`."""
        return {"flow": self.flow_of(graph.edge_index, getattr(graph, "edge_weight", None), graph.num_nodes)}

    def flow_of(self, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> Links:
        """Returns the flow along the edges of a graph, as their weights.

        Args:
            edge_index: Edges of shape (2, num_edges), dtype int64, from sources to targets.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
            num_nodes: Number of nodes.
        """
        flow = smart_teleportation_flow(
            edge_index, edge_weight, num_nodes=num_nodes, alpha=self.alpha, n_iters=self.n_iters
        )
        return Links(edge_index, flow, num_nodes=num_nodes, made_of=(edge_index, edge_weight))

    def forward(
        self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, flow: Links | None = None
    ) -> LossOutput:
        """Returns the loss, with its parts ``codelength`` (in bits) and ``collapse``.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
            flow: From `prepare`; for a mini-batch, the flow along its edges. The flow of another graph is ignored.
        """
        s = self.assignment(z)
        if flow is None or not flow.are_of(edge_index, edge_weight):
            flow = self.flow_of(edge_index, edge_weight, z.size(0))
        return LossOutput.weighted(codelength=(1.0, codelength(s, flow)), collapse=(self.lam, collapse(s)))
