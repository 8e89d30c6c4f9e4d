"""The base class of cluster heads."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


class BaseClusterHead(nn.Module):
    """Base of cluster heads.

    A differentiable head overrides `forward` (its loss) and `cluster`; a discrete head defines ``fit(z)`` and
    `cluster`. See `eco_core.parts.protocols.ClusterHead` for the optional methods.
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the clustering loss. Only differentiable heads override it."""
        raise TypeError(
            f"{type(self).__name__} is a discrete cluster head: it has no loss. Call fit(z) and cluster(z), or use a "
            "differentiable head."
        )

    def cluster(self, z: Tensor, soft: bool = False) -> Tensor:
        """Returns the clusters of the embeddings.

        Args:
            z: Embeddings of shape (num_nodes, n_features).
            soft: Whether to return probabilities instead of labels.

        Returns:
            Labels of shape (num_nodes,), dtype int64; or with ``soft`` probabilities (num_nodes, n_clusters).
        """
        raise TypeError(f"{type(self).__name__} does not define cluster(z, soft=False); every cluster head must.")


def buffers_of_any_size(module: nn.Module, *names: str) -> None:
    """Lets a new module load buffers whose sizes are known only after a fit.

    Call this function in the constructor. Dimensions of size 0 count as unknown: ``load_state_dict`` takes their sizes
    from the loaded buffer, also if the module is a submodule. All other sizes must agree, as usual.

    Args:
        module: The module with the buffers.
        *names: The names of the buffers.
    """
    unknown = {name: [size == 0 for size in getattr(module, name).shape] for name in names}
    module.register_load_state_dict_pre_hook(functools.partial(_take_saved_sizes, unknown))


def _take_saved_sizes(
    unknown: Mapping[str, list[bool]], module: nn.Module, state_dict: Mapping[str, Any], prefix: str, *_unused: Any
) -> None:
    for name, is_unknown in unknown.items():
        saved, own = state_dict.get(f"{prefix}{name}"), getattr(module, name)
        if not isinstance(saved, Tensor) or saved.dim() != own.dim():
            continue
        if all(free or there == here for free, there, here in zip(is_unknown, saved.shape, own.shape, strict=True)):
            setattr(module, name, own.new_empty(saved.shape))


def is_differentiable(head: Any) -> bool:
    """Returns whether a cluster head, or a class of heads, defines a loss (a ``forward``)."""
    forward = getattr(head if isinstance(head, type) else type(head), "forward", None)
    return forward is not None and forward not in (BaseClusterHead.forward, nn.Module.forward)
