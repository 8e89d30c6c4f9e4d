"""Where centres start: at the means of the clusters of k-means."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from eco_core.errors import CompositionError
from eco_core.model import centers


class Head(nn.Module):
    n_clusters = 3

    def reset_cluster_centers(self, placed: Tensor) -> None:
        self.placed = placed


def blobs() -> tuple[Tensor, Tensor]:
    group = torch.arange(3).repeat(100)
    return 10 * torch.eye(3)[group] + torch.randn(300, 3, generator=torch.Generator().manual_seed(0)), group


@pytest.mark.parametrize("sample", [300, 30])
@pytest.mark.parametrize("compared", [False, True])
def test_centers_are_the_means_of_the_clusters_of_all_nodes(sample: int, compared: bool) -> None:
    """Also where k-means saw some of the nodes, and where it compared other points than the embeddings."""
    z, group = blobs()
    head = Head()
    centers.place_centers(head, z, seed=0, compared=nn.functional.normalize(z) if compared else None, sample=sample)
    expected = torch.stack([z[group == number].mean(dim=0) for number in range(3)])
    order = head.placed.argmax(dim=1)
    torch.testing.assert_close(head.placed, expected[order])


def test_a_head_that_cannot_take_centers_is_named() -> None:
    with pytest.raises(CompositionError, match="Linear cannot be initialised"):
        centers.place_centers(nn.Linear(3, 3), torch.rand(9, 3), seed=0)
