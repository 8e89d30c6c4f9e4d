"""Augmentations and corruptions of graphs, for objectives that compare views of one graph.

Each transform takes a graph and returns a changed copy; the given graph stays as it is. The copy shares all unchanged
tensors with the graph. Features may be dense or sparse COO, and keep their layout. All random numbers come from torch's
generator. The classes are transforms of PyTorch Geometric, so its ``Compose`` chains them. In a spec, a transform that
is a parameter of a component is a mapping of its own parameters: ``transform1: {p_feat_mask: 0.2, p_edge_drop: 0.3}``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch_geometric.transforms import BaseTransform

from eco_core.inject import checked
from eco_core.ops.csr import take_rows
from eco_core.ops.sparse_factor import SparseFactor

Share = Annotated[float, Field(ge=0, lt=1)]
MaskMode = Literal["columns", "entries"]

_EDGE_LEVEL = ("edge_weight", "edge_attr", "edge_scale")


@checked
@dataclass(frozen=True)
class MaskFeatures(BaseTransform):
    """Sets random features to zero (You et al., NeurIPS 2020, arXiv 2010.13902).

    Attributes:
        p: Probability that a feature is masked, from 0 (no feature is masked) to less than 1.
        mode: ``columns`` masks the same features of all nodes; ``entries`` draws the masked features of each node
            independently.
    """

    p: Share = 0.2
    mode: MaskMode = "columns"

    def forward(self, graph: Any) -> Any:
        """Returns a copy of a graph with masked features."""
        if self.p > 0:
            x = graph.x
            is_dense = x.layout is torch.strided
            if self.mode == "entries":
                graph.x = self._masked(x) if is_dense else _with_values(x, lambda values, _: self._masked(values))
            else:
                kept = (torch.rand(x.size(1), device=x.device) >= self.p).to(x.dtype)
                graph.x = x * kept if is_dense else _with_values(x, lambda v, i: v * kept[i[1]])
        return graph

    def _masked(self, values: Tensor) -> Tensor:
        return values * (torch.rand(values.shape, device=values.device) >= self.p)


@checked
@dataclass(frozen=True)
class DropEdges(BaseTransform):
    """Leaves out random edges, each stored direction by itself (Rong et al., ICLR 2020, arXiv 1907.10903).

    The weights and attributes of an edge are left out with it. In a mini-batch of sampled neighbourhoods, one edge can
    stand for several edges of the graph (``edge_scale``). Such an edge is dropped less often, so that a node keeps as
    many neighbours as in a view of the whole graph, provided that so many were sampled.

    Attributes:
        p: Probability that an edge is left out, from 0 (no edge is left out) to less than 1.
    """

    p: Share = 0.3

    def forward(self, graph: Any) -> Any:
        """Returns a copy of a graph with fewer edges."""
        if self.p > 0:
            whole, leaving = graph.edge_index, self.p
            scale = getattr(graph, "edge_scale", None)
            if scale is not None:  # A sampled mini-batch: sampling has already left out some of the node's edges.
                leaving = (1 - (1 - self.p) * scale).clamp(min=0)
            kept = (torch.rand(whole.size(1), device=whole.device) >= leaving).nonzero().squeeze(1)
            graph.edge_index = whole.index_select(1, kept)
            for name in _EDGE_LEVEL:
                values = getattr(graph, name, None)
                if values is not None:
                    setattr(graph, name, values.index_select(0, kept))
            if scale is not None:
                graph.edge_scale = ((1 - self.p) * scale / (1 - leaving)).index_select(0, kept)
                graph.in_degree = self._degrees_left(graph, whole[1])
        return graph

    def _degrees_left(self, graph: Any, sampled_targets: Tensor) -> Tensor:
        """The in-degrees after dropping: sums over the edges that stay; for nodes without sampled edges, the mean."""
        source, target = graph.edge_index
        weight = graph.edge_scale * (source != target)
        if getattr(graph, "edge_weight", None) is not None:
            weight = weight * graph.edge_weight
        left = torch.zeros_like(graph.in_degree).index_add(0, target, weight.to(graph.in_degree.dtype))
        was_sampled = torch.zeros_like(left, dtype=torch.bool).index_fill(0, sampled_targets, True)
        return torch.where(was_sampled, left, (1 - self.p) * graph.in_degree)


@dataclass(frozen=True)
class ShuffleFeatures(BaseTransform):
    """Permutes the rows of ``x``, so that nodes exchange their features (Velickovic et al., ICLR 2019)."""

    def forward(self, graph: Any) -> Any:
        """Returns a copy of a graph with the same edges and permuted features."""
        x, order = graph.x, torch.randperm(graph.x.size(0), device=graph.x.device)
        # Torch's index_select of a COO tensor returns an uncoalesced tensor, which would have to be sorted later.
        graph.x = x.index_select(0, order) if x.layout is torch.strided else take_rows(SparseFactor.of(x).rows(), order)
        return graph


@dataclass(frozen=True)
class ShuffleEdges(BaseTransform):
    """Permutes the targets of the edges, so that every node keeps its degrees."""

    def forward(self, graph: Any) -> Any:
        """Returns a copy of a graph with the same features and permuted edges."""
        source, target = graph.edge_index
        graph.edge_index = torch.stack([source, target[torch.randperm(target.size(0), device=target.device)]])
        return graph


@checked
@dataclass(frozen=True)
class AddNoise(BaseTransform):
    """Adds Gaussian noise to the features that are not zero.

    Zeros stay zeros, so that sparse features stay sparse and the same features are changed in either layout.

    Attributes:
        std: Standard deviation of the noise, in the units of the features; 0: no noise.
    """

    std: Annotated[float, Field(ge=0)] = 0.1

    def forward(self, graph: Any) -> Any:
        """Returns a copy of a graph with noisy features."""
        if self.std > 0:
            x = graph.x
            if x.layout is torch.strided:
                graph.x = torch.where(x == 0, x, x + self.std * torch.randn_like(x))
            else:
                graph.x = _with_values(x, lambda v, _: v + self.std * torch.randn_like(v))
        return graph


@checked
@dataclass(frozen=True)
class GSSLTransform(BaseTransform):
    """Makes a view for self-supervised learning: masks features, drops edges, and optionally adds noise or shuffles.

    Attributes:
        p_feat_mask: Probability that a feature is masked; see `MaskFeatures`.
        p_edge_drop: Probability that an edge is left out; see `DropEdges`.
        noise_std: Standard deviation of Gaussian noise on the features; see `AddNoise`.
        shuffle_features: Whether nodes exchange their features; see `ShuffleFeatures`.
        feat_mask_mode: Whether whole ``columns`` of the features are masked, as in the papers, or single ``entries``.

    Example:
        >>> view = GSSLTransform(p_feat_mask=0.2, p_edge_drop=0.3)
    """

    p_feat_mask: Share = 0.2
    p_edge_drop: Share = 0.3
    noise_std: Annotated[float, Field(ge=0)] = 0.0
    shuffle_features: bool = False
    feat_mask_mode: MaskMode = "columns"

    def forward(self, graph: Any) -> Any:
        """Returns a view of a graph."""
        steps: list[Callable[[Any], Any]] = [
            MaskFeatures(self.p_feat_mask, self.feat_mask_mode),
            DropEdges(self.p_edge_drop),
        ]
        if self.noise_std > 0:
            steps.append(AddNoise(self.noise_std))
        if self.shuffle_features:
            steps.append(ShuffleFeatures())
        for step in steps:
            graph = step(graph)
        return graph


View = GSSLTransform | BaseTransform
"""A parameter that makes a view of a graph: in a spec the parameters of a `GSSLTransform`, in Python any transform."""


def _with_values(x: Tensor, change: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Replaces the stored values of a sparse COO tensor by ``change(values, indices)``."""
    x = x.coalesce()
    values = change(x.values(), x.indices())
    return torch.sparse_coo_tensor(x.indices(), values, x.shape, check_invariants=False, is_coalesced=True)


__all__ = ["AddNoise", "DropEdges", "GSSLTransform", "MaskFeatures", "ShuffleEdges", "ShuffleFeatures", "View"]
