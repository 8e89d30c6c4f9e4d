"""The packages of the plugins in this repository."""

from __future__ import annotations

FIRST_PARTY = (
    "eco_autoencoder",
    "eco_contrastive",
    "eco_gnn",
    "eco_modularity",
    "eco_nonparametric",
    "eco_prototype",
    "eco_sbm",
    "eco_spectral",
)
