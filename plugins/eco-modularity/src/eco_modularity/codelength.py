"""The map equation of soft communities."""

from __future__ import annotations

import torch
from torch import Tensor

from eco_core.ops.partition import Links


def codelength(s: Tensor, flow: Links) -> Tensor:
    r"""Returns the two-level map equation: the bits that describe a step of a random walker, coded by communities.

    .. math::
        L = q \log_2 q - \sum_m q_m \log_2 q_m - \sum_m \bar q_m \log_2 \bar q_m - \sum_u p_u \log_2 p_u
            + \sum_m (\bar q_m + p_m) \log_2 (\bar q_m + p_m)

    with the rates :math:`p_u` at which nodes are visited, :math:`p_m = \sum_u p_u s_{um}`, and the rates at which
    communities are entered, :math:`q_m` (their sum is q), and left, :math:`\bar q_m`. The last two are sums of the
    entries off the diagonal of the flow :math:`C = S^T F S` between communities (Bloecker et al., NeurIPS 2024, arXiv
    2310.01144). On a hard assignment it is the map equation of Rosvall & Bergstrom (2008).

    Args:
        s: Assignments of shape (num_nodes, n_clusters), rows sum to 1.
        flow: The flow along the edges, which sums to 1 (see `eco_modularity.flow`). With the flow of a mini-batch, the
            result estimates the codelength of the graph: the rates have no bias; the bias of their logarithms vanishes
            as mini-batches grow.

    Returns:
        A scalar. Its gradient is finite also where communities are empty or never left.
    """
    with torch.autocast(device_type=s.device.type, enabled=False):
        within = flow.within(s)
        visits = flow.in_degree.to(s.dtype) @ s
        # Rounding may make the differences negative.
        enter = (visits - within).clamp(min=0)
        leave = (flow.out_degree.to(s.dtype) @ s - within).clamp(min=0)
        scale = 1.0 if flow.sample is None else flow.sample.node_scale
        nodes = scale * x_log2_x(flow.in_degree / scale).sum().to(s.dtype)
        index = x_log2_x(enter.sum()) - x_log2_x(enter).sum()
        return index + x_log2_x(leave + visits).sum() - x_log2_x(leave).sum() - nodes


def x_log2_x(x: Tensor) -> Tensor:
    r"""Returns :math:`x \log_2 x`, entry by entry, for x from 0 on; it is 0 at 0, with a finite gradient there."""
    return x * x.clamp(min=torch.finfo(x.dtype).tiny).log2()
