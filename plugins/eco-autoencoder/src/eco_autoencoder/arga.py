"""The adversarially regularised graph auto-encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from eco_autoencoder.adversary import Discriminator, HiddenWidths, discriminator_loss, generator_loss
from eco_autoencoder.reconstruction import Edges, NegativeRatio, prepared_edges, reconstruction_terms
from eco_core import LossOutput
from eco_core.ops.sample import is_mini_batch
from eco_core.parts import checked


@checked
class ARGA(nn.Module):
    r"""Adversarially regularised graph auto-encoder (Pan et al., IJCAI 2018, arXiv 1802.04407).

    A discriminator D learns to distinguish the embeddings from draws of N(0, I). The encoder reconstructs the edges
    (see `eco_autoencoder.GAE`) and learns to mislead the discriminator:

    .. math::
        L_{encoder} = L_{rec}(z) - \frac{w}{N} \sum_i \log D(z_i), \qquad
        L_D = - \frac{1}{N} \sum_i \log D(a_i) - \frac{1}{N} \sum_i \log (1 - D(z_i)), \quad a_i \sim N(0, I)

    Encoder and discriminator are updated in turn; neither update changes the parameters of the other.

    Args:
        n_features: Width of the embeddings.
        discriminator_channels: Widths of the discriminator's hidden layers.
        neg_ratio: Number of unlinked pairs sampled for each edge.
        adversarial_weight: The weight w of misleading the discriminator.

    Attributes:
        adversary: The discriminator.
    """

    supports_sparse_x = True
    prepared_for_batches = False

    def __init__(
        self,
        n_features: int,
        discriminator_channels: HiddenWidths = (16, 64),
        neg_ratio: NegativeRatio = 1.0,
        adversarial_weight: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__()
        self.neg_ratio = neg_ratio
        self.adversarial_weight = adversarial_weight
        self.adversary = Discriminator(n_features, discriminator_channels)

    def prepare(self, graph: Any, edge_index: Tensor) -> dict[str, Edges]:
        """Sorts the edges once for each graph: the value of ``edges`` in `forward`."""
        return prepared_edges(graph, edge_index)

    def forward(
        self, encode: Callable[[Any], Tensor], graph: Any, edge_index: Tensor, edges: Edges | None = None
    ) -> LossOutput:
        """Returns the encoder's loss on a graph.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, n_features).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of the embeddings, of shape (2, num_edges).
            edges: From `prepare`.

        Returns:
            The loss, with its parts ``positive`` and ``negative`` (of the reconstruction) and ``generator``.

        Raises:
            DataError: ECO303, if a whole graph has no edge to reconstruct; a mini-batch without one has the loss 0.
        """
        z = encode(graph)
        positive, negative = reconstruction_terms(
            z, edge_index, None, self.neg_ratio, edges, is_batch=is_mini_batch(graph)
        )
        generator = generator_loss(self.adversary, z)
        return LossOutput.weighted(
            positive=(1.0, positive), negative=(1.0, negative), generator=(self.adversarial_weight, generator)
        )

    def adversary_loss(self, encode: Callable[[Any], Tensor], graph: Any) -> LossOutput:
        """Returns the discriminator's loss, with its parts ``real`` and ``fake``; no gradient reaches the encoder.

        Args:
            encode: Maps a graph to its embeddings, of shape (num_nodes, n_features).
            graph: The graph, or a mini-batch of it.
        """
        return discriminator_loss(self.adversary, encode(graph))
