"""Likelihoods of stochastic block models with soft communities; no (num_nodes x num_nodes) tensor."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from eco_core.ops.pairs import pair_products
from eco_core.ops.partition import Links, links_between, out_degrees

EMPTY = 1e-12
"""A community whose probabilities sum to less than this is empty; so is a graph with less edge weight."""

_MARGIN = 1e-6
"""The probability of a pair that is not linked stays below 1 by this: the logarithm of 1 - 1 is infinite."""


class BlockModel(NamedTuple):
    r"""A stochastic block model: nodes u and v have :math:`\mu_{uv} = Q_u^T \Theta R_v` edges on average.

    Q and R are the communities P, or with degree correction :math:`\phi_u^{out} P_u` and :math:`\phi_v^{in} P_v`.
    """

    theta: Tensor
    """The structure matrix, of shape (n_clusters, n_clusters)."""

    links: Tensor
    """The weight of the edges from community to community, of the same shape."""

    sources: Tensor
    """Q, of shape (num_nodes, n_clusters)."""

    targets: Tensor
    """R, of the same shape."""

    scale: float = 1.0
    """Number of nodes of the graph that each row stands for: more than 1 in a mini-batch."""

    def means(self, pairs: Tensor) -> Tensor:
        r"""Returns the means :math:`\mu_{uv}` of pairs of nodes.

        Args:
            pairs: Sources and targets of shape (2, num_pairs), dtype int64.
        """
        rows = torch.cat([self.sources @ self.theta, self.targets])
        return pair_products(rows, torch.stack([pairs[0], pairs[1] + len(self.sources)]))

    def sum_of_means(self) -> Tensor:
        """Returns the sum of the means of all ordered pairs, including pairs of a node with itself."""
        return self.scale**2 * (self.sources.sum(dim=0) @ self.theta @ self.targets.sum(dim=0))

    def sum_of_squares(self) -> Tensor:
        """Returns the sum of the squared means of all ordered pairs."""
        left = self.sources.T @ self.sources @ self.theta
        return self.scale**2 * (left * (self.theta @ (self.targets.T @ self.targets))).sum()


def fit_blocks(
    p: Tensor,
    edge_index: Tensor,
    edge_weight: Tensor | None = None,
    degree_corrected: bool = False,
    links: Links | None = None,
) -> BlockModel:
    r"""Returns the block model that explains a graph best, given its communities.

    With :math:`M = P^T A P`, community sizes :math:`n = P^T 1` and degrees d,

    .. math::
        \Theta_{ij} = \frac{M_{ij}}{n_i n_j}, \qquad \phi_u = d_u \frac{P_u^T n}{P_u^T \delta}, \quad \delta = P^T d.

    With degree correction, :math:`\Theta` uses the corrected sizes :math:`P^T \phi`, which equal n for hard
    communities. For hard communities, all these values are estimates of maximum likelihood (Karrer & Newman, Phys. Rev.
    E 2011, arXiv 1008.3926). For soft communities, the expected number of edges still equals the graph's.

    Args:
        p: Communities of shape (num_nodes, n_clusters), rows sum to 1.
        edge_index: Edges of shape (2, num_edges), dtype int64.
        edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
        degree_corrected: Whether each node has two propensities, to outgoing and to incoming edges. They are the same
            in an undirected graph.
        links: The links of a mini-batch, with the degrees of its nodes in the graph and how its rows were drawn. The
            edges must then have the weights of `eco_core.ops.sample.BatchRows`. None: the edges are all edges of the
            graph.
    """
    between = links_between(p, edge_index, edge_weight)
    scale = 1.0 if links is None or links.sample is None else links.sample.node_scale
    sources = targets = p
    if degree_corrected:
        if links is None:
            ways = (edge_index, edge_index.flip(0))
            leaving, arriving = (out_degrees(edges, edge_weight, p.size(0), p.dtype) for edges in ways)
        else:
            leaving, arriving = (d.to(p.dtype) / scale for d in (links.out_degree, links.in_degree))
        sources, targets = _propensity(p, leaving) * p, _propensity(p, arriving) * p
    starts, ends = (scale * rows.sum(dim=0).clamp(min=EMPTY) for rows in (sources, targets))
    # Two divisions, because the product of two small sizes may be zero in single precision.
    return BlockModel(between / starts.unsqueeze(1) / ends, between, sources, targets, scale)


def _propensity(p: Tensor, degree: Tensor) -> Tensor:
    return (degree * (p @ p.sum(dim=0)) / (p @ (degree @ p)).clamp(min=EMPTY)).unsqueeze(1)


def poisson(model: BlockModel, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
    r"""Returns the negative log-likelihood of Poisson numbers of edges, up to terms that depend on the graph alone.

    .. math::
        - \sum_{(u, v) \in E} w_{uv} \log \mu_{uv} + \sum_{u, v} \mu_{uv}

    Args:
        model: The block model.
        edge_index: Edges of shape (2, num_edges), dtype int64. Parallel edges add up.
        edge_weight: Numbers of edges, of shape (num_edges,), not necessarily integers; None: all 1.
    """
    return -_total(_log(model.means(edge_index)), edge_weight) + model.sum_of_means()


def erased_poisson(model: BlockModel, edge_index: Tensor, edge_weight: Tensor | None = None) -> Tensor:
    r"""Returns the negative log-likelihood of a simple graph: two nodes are linked if a Poisson number is not zero.

    .. math::
        - \sum_{(u, v) \in E} \log(1 - e^{-\mu_{uv}}) + \sum_{(u, v) \notin E} \mu_{uv}

    The probability stays below 1 however large the degrees are (Peixoto, Phys. Rev. E 2020, arXiv 2002.07803).

    Args:
        model: The block model.
        edge_index: Edges of shape (2, num_edges), dtype int64, each once.
        edge_weight: 1 for an edge, 0 for one that does not count, of shape (num_edges,); None: all 1.
    """
    means = model.means(edge_index)
    return -_total(_log(-torch.expm1(-means)) + means, edge_weight) + model.sum_of_means()


def bernoulli(model: BlockModel, edge_index: Tensor, edge_weight: Tensor | None, num_samples: int) -> Tensor:
    r"""Returns an unbiased estimate of the negative log-likelihood of a simple graph with link probabilities mu.

    .. math::
        - \sum_{(u, v) \in E} \log \mu_{uv} - \sum_{(u, v) \notin E} \log(1 - \mu_{uv})

    The first two terms of :math:`-\log(1 - \mu) = \mu + \mu^2 / 2 + \ldots` have closed sums over all pairs. Only the
    rest, of the order of :math:`\mu^3`, is estimated by sampled pairs; in a sparse graph it is tiny.

    Args:
        model: The block model, without degree correction.
        edge_index: Edges of shape (2, num_edges), dtype int64, each once.
        edge_weight: 1 for an edge, 0 for one that does not count, of shape (num_edges,); None: all 1.
        num_samples: Number of pairs to draw, at least 1, from torch's generator.
    """
    num_nodes = model.sources.size(0)
    linked = model.means(edge_index)
    closed = model.sum_of_means() + model.sum_of_squares() / 2 - _total(linked + linked.square() / 2, edge_weight)
    numbers = spread_numbers(num_nodes**2, num_samples, edge_index.device)
    sampled = model.means(torch.stack([numbers // num_nodes, numbers % num_nodes])).clamp(max=1 - _MARGIN)
    rest = -torch.log1p(-sampled) - sampled - sampled.square() / 2
    rest = rest * ~_are_linked(numbers, edge_index, edge_weight, num_nodes)
    return -_total(_log(linked), edge_weight) + closed + rest.sum() * ((model.scale * num_nodes) ** 2 / num_samples)


def spread_numbers(size: int, count: int, device: torch.device) -> Tensor:
    """Draws numbers below ``size``, each equally likely: one from each of ``count`` equal intervals, sorted.

    Args:
        size: The end of the numbers.
        count: How many.
        device: Where they are drawn, by torch's generator.

    Returns:
        Shape (count,), int64.
    """
    # Sorted numbers are looked up much faster, and sums over spread numbers vary less than over independent ones.
    position = torch.arange(count, device=device) + torch.rand(count, device=device, dtype=torch.float64)
    return (position * (size / count)).long().clamp(max=size - 1)


def _are_linked(numbers: Tensor, edge_index: Tensor, edge_weight: Tensor | None, num_nodes: int) -> Tensor:
    """Returns which pairs of nodes, numbered row by row, are linked by an edge."""
    linked = edge_index[0] * num_nodes + edge_index[1]
    if edge_weight is not None:
        linked = torch.where(edge_weight > 0, linked, -1)
    # A number that no pair has is appended, so that the search never ends behind the last element.
    linked = torch.cat([linked, linked.new_full((1,), num_nodes**2)]).sort().values
    return linked[torch.searchsorted(linked, numbers)] == numbers


def _log(values: Tensor) -> Tensor:
    return values.clamp(min=torch.finfo(values.dtype).tiny).log()


def _total(values: Tensor, edge_weight: Tensor | None) -> Tensor:
    return values.sum() if edge_weight is None else values @ edge_weight


def matching(model: BlockModel) -> Tensor:
    r"""Returns how well the block model matches the graph, negative: :math:`-\mathrm{tr}(A^T P \Theta P^T)`.

    For hard communities, :math:`\lVert A - P \Theta P^T \rVert_F^2` equals this value plus :math:`\lVert A \rVert_F^2`.

    Args:
        model: The block model, without degree correction.
    """
    return -(model.links * model.theta).sum()


def inner_share(links: Tensor) -> Tensor:
    """Returns the share of each community's edge ends that belong to edges within it, of shape (n_clusters,).

    Args:
        links: The weight of the edges from community to community, of shape (n_clusters, n_clusters).
    """
    ends = links.sum(dim=0) + links.sum(dim=1)
    return 2 * links.diagonal() / ends.clamp(min=EMPTY)
