"""The encoder that leaves features as they are."""

from __future__ import annotations

from torch import Tensor, nn


class IdentityEncoder(nn.Module):
    """Returns the node features: clustering of attributes alone, and the baseline of every encoder."""

    learns = False
    supports_sparse_x = False

    def forward(self, x: Tensor) -> Tensor:
        """Returns ``x``, of shape (num_nodes, in_channels)."""
        return x
