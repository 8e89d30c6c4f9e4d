"""The head of stochastic block models: how likely the graph is, given soft communities."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from eco_core import LossOutput
from eco_core.ops.partition import Links
from eco_core.parts import LinearClusterHead, checked
from eco_sbm.likelihood import EMPTY, BlockModel, bernoulli, erased_poisson, fit_blocks, inner_share, matching, poisson

Variant = Literal["bernoulli", "poisson", "bernoulli-dc", "poisson-dc", "match"]


@checked
class SBMClusterHead(LinearClusterHead):
    r"""The head of GCSBM (Arliss & Mueller, LoG 2025, https://openreview.net/forum?id=T1vdfm1THf).

    The soft communities :math:`P = \mathrm{softmax}(Z W^T + b)` maximise the likelihood of the graph under a stochastic
    block model, whose other parameters follow from P: the edges between communities :math:`M = P^T A P`, their
    densities :math:`\Theta_{ij} = M_{ij} / (n_i n_j)` with the sizes :math:`n = P^T 1`, and, with degree correction,
    the propensities :math:`\phi_u = d_u \, P_u^T n / P_u^T \delta` with :math:`\delta = P^T d`. A second term keeps the
    edges of a community within it:

    .. math::
        L = - \frac{1}{m} \log p(A \mid P, \Theta, \phi)
            + \alpha \, \Big\lVert 1_K - \mathrm{diag}(\hat\Theta) \Big\rVert_F, \qquad
        \hat\Theta_{ij} = \frac{M_{ij}}{\tfrac12 \sum_l (M_{il} + M_{li})}

    The mean number of edges from u to v is :math:`\mu_{uv} = P_u^T \Theta P_v`, times :math:`\phi_u \phi_v` with degree
    correction. The sums are over all ordered pairs of nodes, a node with itself included:

    - ``poisson``, ``poisson-dc``: :math:`-\log p = - \sum_{uv} A_{uv} \log \mu_{uv} + \sum_{uv} \mu_{uv}`. The second
      sum is exact. For hard communities, ``poisson-dc`` is the model of Karrer & Newman (2011, arXiv 1008.3926).
    - ``bernoulli``: :math:`- \sum_E \log \mu_{uv} - \sum_{\bar E} \log (1 - \mu_{uv})`. The sum over the pairs that are
      not linked is an unbiased estimate: the terms up to :math:`\mu^2` are exact, and the rest, of the order of
      :math:`\mu^3`, is sampled.
    - ``bernoulli-dc``: two nodes are linked with the probability :math:`1 - e^{-\mu_{uv}}` (Peixoto, 2020, arXiv
      2002.07803), because :math:`\phi_u \phi_v P_u^T \Theta P_v` itself is more than 1 if both degrees are high. The
      sums are exact.
    - ``match``: :math:`- \mathrm{tr}(A^T P \Theta P^T)` in place of :math:`-\log p`; the model with Gaussian noise.

    **Which variant.** Without degree correction, communities that separate high degrees from low degrees have a higher
    likelihood, and nodes of a high degree become communities of their own. Start with ``poisson-dc``.

    **The second term.** With densities, :math:`\hat\Theta = \Theta`, as other implementations have it, the term does
    not work: in a sparse graph densities are about 0.001, so the term is constant for all communities of a useful size,
    and falls only for cliques of a few nodes. Shares of edges have the same range in every graph. The term also starts
    the training. At first P is nearly the same for all nodes; then the likelihood depends on the links only in the
    fourth order of the differences between nodes, and without degree correction on the degrees in the second order.

    **Graphs.** An undirected edge is stored in both directions. In a directed graph, :math:`\Theta` is not symmetric
    and each node has two propensities. The Poisson variants and ``match`` take weights as numbers of edges; the
    Bernoulli variants model which pairs are linked: an edge of any positive weight counts once, an edge of weight 0
    does not count, and parallel edges must be merged before. A node without edges counts only in the sizes of
    communities; with degree correction, the sizes of hard communities cancel.

    Args:
        n_clusters: Number of communities K.
        n_features: Width of the embeddings.
        variant: The model of the graph.
        eta: Pairs that ``bernoulli`` samples for each edge; the other variants sample none.
        alpha: Weight :math:`\alpha` of the second term.

    Raises:
        ValueError: If a parameter is out of range.
    """

    def __init__(
        self,
        n_clusters: int,
        n_features: int,
        variant: Variant = "bernoulli",
        eta: Annotated[float, Field(gt=0)] = 3.0,
        alpha: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__(n_clusters, n_features)
        self.variant = variant
        self.eta = eta
        self.alpha = alpha

    def prepare(self, graph: Any) -> Mapping[str, Any]:
        """Computes the degrees of the graph once: the value of ``links`` in `forward`."""
        edge_weight = getattr(graph, "edge_weight", None)
        if edge_weight is not None and self.variant.startswith("bernoulli"):
            edge_weight = (edge_weight > 0).float()
        return {"links": Links(graph.edge_index, edge_weight, num_nodes=graph.num_nodes)}

    def forward(
        self, z: Tensor, edge_index: Tensor, edge_weight: Tensor | None = None, links: Links | None = None
    ) -> LossOutput:
        """Returns the loss, with its parts ``likelihood`` (negative, per edge) and ``assortativity`` (0: all inside).

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            edge_index: Edges of shape (2, num_edges), dtype int64.
            edge_weight: Weights of shape (num_edges,), not negative, of which no gradient is taken; None: all 1.
            links: From `prepare`; used for mini-batches only: the degrees of its nodes in the graph, and how they were
                drawn. The loss then estimates the graph's loss, with a bias that vanishes as mini-batches grow.
        """
        p = self.assignment(z)
        sample = None if links is None else links.sample
        with torch.autocast(device_type=p.device.type, enabled=False):
            if edge_weight is not None:
                edge_weight = edge_weight.detach().reshape(-1)
                if self.variant.startswith("bernoulli"):
                    edge_weight = (edge_weight > 0) * (1.0 if sample is None else sample.edge_scale(edge_index))
                edge_weight = edge_weight.to(p.dtype)
            of_batch = None if sample is None else links
            model = fit_blocks(p, edge_index, edge_weight, self.variant.endswith("-dc"), of_batch)
            total = model.links.detach().sum().clamp(min=EMPTY)
            return LossOutput.weighted(
                likelihood=(1.0, self._negative_log_likelihood(model, edge_index, edge_weight) / total),
                assortativity=(self.alpha, (1 - inner_share(model.links)).norm()),
            )

    def _negative_log_likelihood(self, model: BlockModel, edge_index: Tensor, edge_weight: Tensor | None) -> Tensor:
        if self.variant == "match":
            return matching(model)
        if self.variant == "bernoulli-dc":
            return erased_poisson(model, edge_index, edge_weight)
        if self.variant == "bernoulli":
            return bernoulli(model, edge_index, edge_weight, max(1, round(self.eta * edge_index.size(1))))
        return poisson(model, edge_index, edge_weight)
