"""Tables of nodes and edges, made of a graph, as a user would have them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np


def tables_of(graph: Any, seed: int = 0, names: list[str] | None = None) -> tuple[Any, Any]:
    """Makes a nodes table and an edges table of a graph whose features are bags of words.

    The nodes have string ids, a text (their words), a categorical, a boolean, a date, missing values, and columns of
    the scales 1 and 1e6. The added columns are noise, except that the text holds the words. The order of the rows is
    shuffled.

    Args:
        graph: A graph with ``x``, ``edge_index`` and, optionally, ``y``.
        seed: Seed of everything random.
        names: Names of the classes.

    Returns:
        The nodes and the edges, as data frames.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    x, count = graph.x.to_dense().numpy(), int(graph.x.shape[0])
    ids = np.array([f"paper-{number:05d}" for number in rng.permutation(count)])
    words = np.array([f"word{place:04d}" for place in range(x.shape[1])])
    nodes = pd.DataFrame(
        {
            "id": ids,
            "abstract": [" ".join(words[np.flatnonzero(row)]) for row in x],
            "venue": rng.choice(["KDD", "ICML", "WWW", "NIPS"], count),
            "open_access": rng.random(count) < 0.4,
            "published": pd.Timestamp("2001-01-01") + pd.to_timedelta(rng.integers(0, 6000, count), unit="D"),
            "length": np.round(rng.normal(1.0, 0.3, count), 4),
            "downloads": np.round(rng.lognormal(13.5, 0.6, count)),
        }
    )
    nodes.loc[rng.random(count) < 0.02, "length"] = np.nan
    nodes.loc[rng.random(count) < 0.02, "venue"] = None
    if graph.get("y") is not None:
        y = graph.y.numpy()
        nodes["label"] = y if names is None else np.array(names)[y]
    source, target = graph.edge_index.numpy()
    once = source < target
    edges = pd.DataFrame({"source": ids[source[once]], "target": ids[target[once]], "weight": 1.0})
    return (
        nodes.iloc[rng.permutation(count)].reset_index(drop=True),
        edges.iloc[rng.permutation(len(edges))].reset_index(drop=True),
    )


def small_graph(num_nodes: int = 120, blocks: int = 3, seed: int = 0) -> Any:
    """Makes a graph of a few clear groups, whose features are bags of words."""
    import torch

    from eco_core.data import load_graph

    graph = load_graph("sbm", num_nodes=num_nodes, n_blocks=blocks, mixing=0.1, seed=seed)
    rng = np.random.default_rng(seed)
    chance = np.full((num_nodes, 30), 0.05)
    for block in range(blocks):
        chance[graph.y.numpy() == block, block * 10 : block * 10 + 10] = 0.5
    chance[:, -1] = 1.0  # No text is empty.
    graph.x = torch.from_numpy((rng.random(chance.shape) < chance).astype(np.float32))
    return graph


def write_tables(folder: Path, nodes: Any, edges: Any, kind: str = "csv") -> Path:
    """Writes both tables into a folder, as ``nodes.csv`` and ``edges.csv`` or as Parquet."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in (("nodes", nodes), ("edges", edges)):
        if kind == "parquet":
            frame.to_parquet(folder / f"{name}.parquet", index=False)
        else:
            frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


__all__ = ["small_graph", "tables_of", "write_tables"]
