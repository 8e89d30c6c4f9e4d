"""A short digest of a graph, by which a checkpoint is matched with its graph."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import Tensor

_WHOLE = 2**24
"""Number of entries that are read of a tensor: of a larger tensor, this many evenly spread entries are read."""


def graph_fingerprint(graph: Any, with_ids: bool = False) -> str:
    """Returns a digest of a graph's features, edges and edge weights: their shapes, types and values.

    Args:
        graph: A ``torch_geometric.data.Data``. Of tensors with more than 16 million entries, only a part is read.
        with_ids: Whether the ids of the nodes belong to the digest.
    """
    digest = hashlib.blake2b(digest_size=16)
    if with_ids:
        for node in getattr(graph, "node_ids", None) or ():
            digest.update(f"{node}\0".encode(errors="surrogatepass"))
    for name in ("x", "edge_index", "edge_weight"):
        value = getattr(graph, name, None)
        digest.update(f"{name}:".encode())
        for tensor in _dense_parts(value):
            digest.update(f"{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(_sample(tensor).cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _dense_parts(value: Any) -> list[Tensor]:
    if not isinstance(value, Tensor):
        return []
    if value.layout == torch.sparse_coo:
        coalesced = value.coalesce()
        return [coalesced.indices(), coalesced.values()]
    return [value.detach()]


def _sample(tensor: Tensor) -> Tensor:
    if tensor.numel() <= _WHOLE:
        return tensor
    rows = max(1, _WHOLE // max(1, tensor[0].numel()))
    chosen = torch.linspace(0, tensor.size(0) - 1, min(rows, tensor.size(0))).long()
    if tensor.size(0) < rows:  # A few long rows, such as edge_index: spread along the last dimension.
        columns = torch.linspace(0, tensor.size(-1) - 1, _WHOLE // tensor.size(0)).long()
        return tensor.index_select(-1, columns.to(tensor.device))
    return tensor.index_select(0, chosen.to(tensor.device))


__all__ = ["graph_fingerprint"]
