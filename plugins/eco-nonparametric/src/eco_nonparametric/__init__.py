"""Graph clustering without a trained network, for ECO. The classes are imported on first use: torch comes with them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from eco_core import lazy_names

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

_HOMES = {
    "InfomapClusterHead": "eco_nonparametric.infomap",
    "LeidenClusterHead": "eco_nonparametric.leiden",
    "MS2CAG": "eco_nonparametric.s2cag",
    "NAFS": "eco_nonparametric.nafs",
    "Node2Vec": "eco_nonparametric.node2vec",
    "NodeEmbedding": "eco_nonparametric.embedding",
    "S2CAG": "eco_nonparametric.s2cag",
    "SAGSC": "eco_nonparametric.sagsc",
    "SGC": "eco_nonparametric.sgc",
    "SNEMClusterHead": "eco_nonparametric.snem",
    "SSGC": "eco_nonparametric.ssgc",
    "SpectralClusterHead": "eco_nonparametric.spectral",
}

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

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
