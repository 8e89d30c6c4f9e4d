"""The map equation of soft communities."""

from __future__ import annotations

import torch
from torch import Tensor

from eco_core.ops.partition import Links


def codelength(s: Tensor, flow: Links) -> Tensor:
    r"""Returns the bits that a step of a random walker takes, coded by communities: the two-level map equation.

    .. math::
        L = q \log_2 q - \sum_m q_m \log_2 q_m - \sum_m \bar q_m \log_2 \bar q_m - \sum_u p_u \log_2 p_u
            + \sum_m (\bar q_m + p_m) \log_2 (\bar q_m + p_m)

    with the rates :math:`p_u` at which nodes are visited, :math:`p_m = \sum_u p_u s_{um}`, and those at which
    communities are entered, :math:`q_m`, which sum to q, and left, :math:`\bar q_m`: of the flow :math:`C = S^T F S`
    between communities, what is off its diagonal (Bloecker et al., NeurIPS 2024, arXiv 2310.01144). On a hard
    assignment it is the map equation of Rosvall & Bergstrom (2008).

    Args:
        s: Assignments of shape (num_nodes, n_clusters), rows sum to 1.
        flow: The flow along the edges, which sums to 1 (see `eco_modularity.flow`). From that of a batch the result is
            an estimate of the graph's: the rates have no bias, but the logarithms of rates have one that vanishes as
            batches grow.

    Returns:
        A scalar. Its gradient is finite also where communities are empty or never left.
    """
    with torch.autocast(device_type=s.device.type, enabled=False):
        within = flow.within(s)
        visits = flow.in_degree.to(s.dtype) @ s
        # Rounding may bring them below 0.
        enter = (visits - within).clamp(min=0)
        leave = (flow.out_degree.to(s.dtype) @ s - within).clamp(min=0)
        scale = 1.0 if flow.sample is None else flow.sample.node_scale
        nodes = scale * x_log2_x(flow.in_degree / scale).sum().to(s.dtype)
        index = x_log2_x(enter.sum()) - x_log2_x(enter).sum()
        return index + x_log2_x(leave + visits).sum() - x_log2_x(leave).sum() - nodes


def x_log2_x(x: Tensor) -> Tensor:
    r"""Returns :math:`x \log_2 x`, entry by entry, for x from 0 on; it is 0 at 0, with a finite gradient there."""
    return x * x.clamp(min=torch.finfo(x.dtype).tiny).log2()
