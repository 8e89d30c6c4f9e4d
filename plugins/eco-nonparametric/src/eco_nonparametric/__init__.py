"""Graph clustering without a trained network, for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eco_nonparametric.embedding import NodeEmbedding
    from eco_nonparametric.infomap import InfomapClusterHead
    from eco_nonparametric.leiden import LeidenClusterHead
    from eco_nonparametric.nafs import NAFS
    from eco_nonparametric.node2vec import Node2Vec
    from eco_nonparametric.s2cag import MS2CAG, S2CAG
    from eco_nonparametric.sagsc import SAGSC
    from eco_nonparametric.sgc import SGC
    from eco_nonparametric.snem import SNEMClusterHead
    from eco_nonparametric.spectral import SpectralClusterHead
    from eco_nonparametric.ssgc import SSGC

__version__ = "0.1.0"
__all__ = [
    "MS2CAG",
    "NAFS",
    "S2CAG",
    "SAGSC",
    "SGC",
    "SSGC",
    "InfomapClusterHead",
    "LeidenClusterHead",
    "Node2Vec",
    "NodeEmbedding",
    "SNEMClusterHead",
    "SpectralClusterHead",
]

_MODULES = {"MS2CAG": "s2cag", "NodeEmbedding": "embedding"}


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = _MODULES.get(name, name.removesuffix("ClusterHead").lower())
        return getattr(import_module(f"eco_nonparametric.{module}"), name)
    raise AttributeError(f"module 'eco_nonparametric' has no attribute {name!r}")
