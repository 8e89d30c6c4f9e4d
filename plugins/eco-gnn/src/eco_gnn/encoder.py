"""What all encoders of this package have in common."""

from __future__ import annotations

from torch import nn
from torch_geometric.nn.inits import reset


class GraphEncoder(nn.Module):
    """A module that learns, reads sparse features, and knows how wide its embeddings are.

    Args:
        out_channels: Width of the embeddings.
    """

    learns = True
    supports_sparse_x = True

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self._out_channels = out_channels

    @property
    def out_channels(self) -> int:
        """The width of the embeddings."""
        return self._out_channels

    def reset_parameters(self) -> None:
        """Draws all parameters anew and forgets running statistics."""
        for child in self.children():
            reset(child)
