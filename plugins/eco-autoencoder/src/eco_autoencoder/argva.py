"""The adversarially regularised variational graph auto-encoder."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from eco_autoencoder.adversary import Discriminator, HiddenWidths, discriminator_loss, generator_loss
from eco_autoencoder.latent import LatentObjective, draw
from eco_autoencoder.reconstruction import Edges, NegativeRatio
from eco_core import LossOutput
from eco_core.ops.sample import is_mini_batch
from eco_core.parts import checked


@checked
class ARGVA(LatentObjective):
    r"""Adversarially regularised variational graph auto-encoder (Pan et al., IJCAI 2018, arXiv 1802.04407).

    The loss of `eco_autoencoder.VGAE`, whose draws z also have to mislead the discriminator D of
    `eco_autoencoder.ARGA`:

    .. math::
        L_{encoder} = L_{rec}(z) + \frac{w_{KL}}{N} \cdot \frac{1}{N} \sum_i
            \mathrm{KL}\big(N(\mu_i, \sigma_i^2) \,\Vert\, N(0, I)\big) - \frac{w}{N} \sum_i \log D(z_i)

    Encoder and discriminator are updated in turn; neither update changes the parameters of the other. The embedding is
    the mean.

    Args:
        n_features: Width of the encoder's output.
        latent_channels: Width of the embedding.
        discriminator_channels: Widths of the discriminator's hidden layers.
        neg_ratio: Number of unlinked pairs sampled for each edge.
        kl_weight: The weight of the divergence; 0 leaves it out.
        adversarial_weight: The weight w of misleading the discriminator.

    Attributes:
        adversary: The discriminator.
    """

    def __init__(
        self,
        n_features: int,
        latent_channels: Annotated[int, Field(ge=1)] = 16,
        discriminator_channels: HiddenWidths = (16, 64),
        neg_ratio: NegativeRatio = 1.0,
        kl_weight: Annotated[float, Field(ge=0)] = 1.0,
        adversarial_weight: Annotated[float, Field(ge=0)] = 1.0,
    ) -> None:
        super().__init__(n_features, latent_channels, neg_ratio, kl_weight)
        self.adversarial_weight = adversarial_weight
        self.adversary = Discriminator(latent_channels, discriminator_channels)

    def forward(
        self,
        encode: Callable[[Any], Tensor],
        graph: Any,
        edge_index: Tensor,
        edge_weight: Tensor | None = None,
        edges: Edges | None = None,
    ) -> LossOutput:
        """Returns the encoder's loss on a graph; it is random, also in evaluation mode.

        Args:
            encode: Maps a graph to the trunk's output, of shape (num_nodes, n_features).
            graph: The graph, or a mini-batch of it.
            edge_index: Edges between the rows of that output, of shape (2, num_edges).
            edge_weight: Weights of shape (num_edges,) for the convolutions; the reconstruction ignores them.
            edges: From `prepare`.

        Returns:
            The loss, with its parts ``positive`` and ``negative`` (of the reconstruction), ``kl`` (the mean over the
            nodes, before the other division by N and the weight) and ``generator``.

        Raises:
            DataError: ECO303, if a whole graph has no edge to reconstruct; a mini-batch without one has the loss 0.
        """
        z, terms = self.terms(encode(graph), edge_index, edge_weight, edges, is_batch=is_mini_batch(graph))
        generator = generator_loss(self.adversary, z)
        return LossOutput.weighted(**terms, generator=(self.adversarial_weight, generator))

    def adversary_loss(
        self, encode: Callable[[Any], Tensor], graph: Any, edge_index: Tensor, edge_weight: Tensor | None = None
    ) -> LossOutput:
        """Returns the discriminator's loss on drawn embeddings, with its parts ``real`` and ``fake``.

        No gradient reaches the encoder or the means; arguments as in `forward`.
        """
        mean, log_std = self.latent(encode(graph), edge_index, edge_weight)
        return discriminator_loss(self.adversary, draw(mean, log_std))
