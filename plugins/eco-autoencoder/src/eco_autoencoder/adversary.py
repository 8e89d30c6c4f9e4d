"""The discriminator of the adversarial auto-encoders, and the losses of its two players."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from eco_core import LossOutput

HiddenWidths = tuple[Annotated[int, Field(ge=1)], ...]
"""Widths of the hidden layers of a discriminator."""


class Discriminator(nn.Sequential):
    """A perceptron with ReLU that returns a logit for each row: high for draws of the prior, low for embeddings.

    Args:
        in_channels: Width of the embeddings.
        hidden_channels: Widths of the hidden layers.
    """

    def __init__(self, in_channels: int, hidden_channels: Sequence[int]) -> None:
        layers: list[nn.Module] = []
        for pair in pairwise((in_channels, *hidden_channels)):
            layers += [nn.Linear(*pair), nn.ReLU()]
        super().__init__(*layers, nn.Linear((in_channels, *hidden_channels)[-1], 1))


def generator_loss(discriminator: nn.Module, z: Tensor) -> Tensor:
    """Returns the mean of -log D(z) over the nodes, a scalar: low if the embeddings mislead the discriminator.

    Args:
        discriminator: Returns a logit for each row.
        z: Embeddings of shape (num_nodes, width).
    """
    return F.softplus(-discriminator(z)).mean()


def discriminator_loss(discriminator: nn.Module, z: Tensor) -> LossOutput:
    """Returns the cross entropy of a discriminator that classifies draws of N(0, I) and embeddings.

    Args:
        discriminator: Returns a logit for each row.
        z: Embeddings of shape (num_nodes, width); no gradient flows into them.

    Returns:
        The loss, with its parts ``real`` (-log D of draws of the prior) and ``fake`` (-log(1 - D(z))), each a mean.
    """
    z = z.detach()
    real = F.softplus(-discriminator(torch.randn_like(z))).mean()
    fake = F.softplus(discriminator(z)).mean()
    return LossOutput(total=real + fake, real=real, fake=fake)
