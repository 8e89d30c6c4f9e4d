"""Modularity of soft partitions, and of similarities between nodes."""

from __future__ import annotations

import torch
from torch import Tensor

from eco_core.ops.partition import Links


def modularity(s: Tensor, links: Links) -> Tensor:
    r"""Returns the modularity of rows whose inner products measure how much two nodes belong together.

    .. math::
        Q = \frac{1}{2m} \sum_{ij} \left( A_{ij} - \frac{d_i d_j}{2m} \right) s_i^T s_j
          = \frac{1}{2m} \mathrm{Tr}(S^T A S) - \left\lVert \frac{S^T d}{2m} \right\rVert^2

    With a one-hot row for each node it is Newman and Girvan's modularity of these clusters. It takes the time and
    memory of one product of the sparse A with S.

    Args:
        s: Rows of shape (num_nodes, width), of a float dtype: soft assignments, or others.
        links: The edges; a directed graph is taken as the undirected graph :math:`(A + A^T) / 2`. With the links of a
            mini-batch, the result is an unbiased estimate of the graph's modularity.

    Returns:
        A scalar with the dtype of ``s``, in single precision at least; 0 for a graph without edges. It can be
        differentiated once, by ``s``.
    """
    with torch.autocast(device_type=s.device.type, enabled=False):
        s = s.to(torch.promote_types(s.dtype, torch.float32))
        total = links.total.to(s.dtype).clamp(min=torch.finfo(s.dtype).tiny)
        share = (links.out_degree + links.in_degree).to(s.dtype) / (2 * total)
        expected = links.square_of_sum(share.unsqueeze(1) * s)
        return links.within(s).sum() / total - expected


__all__ = ["modularity"]
