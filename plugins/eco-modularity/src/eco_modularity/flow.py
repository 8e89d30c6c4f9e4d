"""The flow of a random walker along the edges of a graph."""

from __future__ import annotations

import torch
from torch import Tensor

from eco_core.ops.partition import out_degrees

_TOLERANCE = 1e-12  # Change of the visit rates, which sum to 1; undirected graphs reach it in one iteration.
_CHECK_EVERY = 10  # Iterations between two checks of convergence: on an accelerator each check waits for the device.


@torch.no_grad()
def smart_teleportation_flow(
    edge_index: Tensor, edge_weight: Tensor | None = None, *, num_nodes: int, alpha: float = 0.15, n_iters: int = 100
) -> Tensor:
    r"""Returns the flow along each edge, with unrecorded teleportation to links (Lambiotte & Rosvall, 2012).

    The walker follows an edge that leaves its node, by its weight; with probability :math:`\alpha`, and always at a
    node that no edge leaves, it first moves to a node by the weight of the edges that leave it. With the transition
    probabilities :math:`T_{uv} = A_{uv} / d_u`, where :math:`d_u` is the weight of the edges that leave u, and with
    :math:`e_u` as its share in the weight of all edges:

    .. math::
        p = (\alpha + (1 - \alpha) \delta) e + (1 - \alpha) T^T p, \qquad
        F_{uv} = \frac{p_u T_{uv}}{1 - \delta}

    where :math:`\delta` is the rate of the nodes that no edge leaves. Only the steps along edges are recorded in F. The
    software Infomap computes the same. If an edge leaves every node, it is the formula of Neuromap's paper,
    :math:`F_{uv} = \alpha A_{uv} / \sum A + (1 - \alpha) p'_u T_{uv}` with the column sums :math:`p'` of F. On an
    undirected graph it is :math:`A / \sum A` whatever :math:`\alpha`: the degrees are the stationary distribution, so
    the first iteration converges.

    Args:
        edge_index: Edges of shape (2, num_edges), dtype int64, from sources to targets.
        edge_weight: Weights of shape (num_edges,), not negative; None: all 1.
        num_nodes: Number of nodes.
        alpha: Probability of teleportation :math:`\alpha`.
        n_iters: Largest number of iterations; each multiplies the error by 1 - alpha or less.

    Returns:
        Flow of shape (num_edges,), float64. It sums to 1; all 0 if all weights are 0.
    """
    source, target = edge_index
    if edge_weight is None:
        weight = torch.ones(edge_index.size(1), dtype=torch.float64, device=edge_index.device)
    else:
        weight = edge_weight.reshape(-1).double()
    leaving = out_degrees(edge_index, weight, num_nodes, torch.float64)
    is_dangling = leaving == 0
    step = weight / leaving[source].masked_fill(is_dangling[source], 1.0)
    teleport = leaving / leaving.sum().clamp(min=torch.finfo(torch.float64).tiny)
    rate = teleport
    for iteration in range(n_iters):
        jumps = alpha + (1 - alpha) * (rate * is_dangling).sum()
        moved = torch.zeros_like(rate).index_add_(0, target, rate[source] * step)
        before, rate = rate, jumps * teleport + (1 - alpha) * moved
        if iteration % _CHECK_EVERY == 0 and float((rate - before).abs().sum()) <= _TOLERANCE:
            break
    flow = rate[source] * step
    return flow / flow.sum().clamp(min=torch.finfo(torch.float64).tiny)
