"""One run of PyAGC, by the protocol of its own scripts.

Training is full batch. The weights of the epoch with the lowest loss are restored after each stage. Methods without a
head of their own cluster L2-normalised embeddings by k-means.
"""

from __future__ import annotations

import copy
import time
from typing import Any

import torch
import torch.nn.functional as F
from pyagc.clusters import KMeansClusterHead
from pyagc.models import ClusteringModel, TrainableModel
from pyagc.utils import set_seed
from torch import Tensor
from torch_geometric.data import Data

from benchmarks.side_by_side.outcome import Outcome, StageTimes
from benchmarks.side_by_side.pyagc_models import Built, build


def run(recipe: str, spec: dict[str, Any], data: Data, seed: int, full_epochs: dict[str, int]) -> Outcome:
    """Trains and clusters.

    Args:
        recipe: Name of the recipe.
        spec: Its spec, as ECO resolves it, with the number of clusters, and the epochs and the patience of this run.
        data: Dense features and edges.
        seed: Seed of all random numbers.
        full_epochs: Epochs of each stage in the whole recipe.
    """
    strategy = spec["strategy"]
    start = time.perf_counter()
    set_seed(seed)
    built = build(recipe, spec, data)
    stages = []
    for name, count in full_epochs.items():
        if name == "joint" and strategy["initialize"]:
            built.model.initialize_cluster_centers(built.data, spec["encoder"]["num_layers"], verbose=False)
            built.notes.append("PyAGC places the centres by k-means with 1 restart, ECO with 10")
        if not strategy[name]["restore_best"]:
            built.notes.append(f"PyAGC restores the lowest loss of stage '{name}', ECO's recipe keeps its last weights")
        stages.append(StageTimes(name, count, train(built, name, strategy[name])))
    out = None if isinstance(built.model, TrainableModel) else built.infer()
    trained = time.perf_counter()
    out = built.infer() if out is None else out
    labels = out if isinstance(built.model, ClusteringModel) else _kmeans(out, spec, seed)
    return Outcome(labels.cpu(), trained - start, time.perf_counter() - trained, stages, built.notes)


def train(built: Built, stage: str, options: dict[str, Any]) -> list[float]:
    """Trains one stage.

    Args:
        built: The model.
        stage: Name of the stage.
        options: Options of the stage: ``epochs``, ``optimizer`` and ``patience``.

    Returns:
        Seconds of each epoch, including the copy of its weights if they are the best so far.
    """
    if options["optimizer"]["name"] != "adam" or options["clip_norm"] is not None:
        raise NotImplementedError("PyAGC's scripts train by Adam, without clipping.")
    rates = {key: options["optimizer"][key] for key in ("lr", "weight_decay")}
    optimizer = torch.optim.Adam(built.model.parameters(), **rates)
    extra = {"pretrain": True} if stage == "pretrain" else {}
    lowest, weights, since, seconds = float("inf"), None, 0, []
    for epoch in range(1, options["epochs"] + 1):
        start = time.perf_counter()
        loss = built.train_epoch(optimizer, epoch, **extra)
        if loss < lowest:
            lowest, weights, since = loss, copy.deepcopy(built.model.state_dict()), 0
        else:
            since += 1
        seconds.append(time.perf_counter() - start)
        if options["patience"] is not None and since >= options["patience"]:
            break
    if weights is not None:
        built.model.load_state_dict(weights)
    return seconds


def _kmeans(z: Tensor, spec: dict[str, Any], seed: int) -> Tensor:
    head = spec["head"]
    if spec["normalize_embeddings"]:
        z = F.normalize(z, p=2, dim=-1)
    kmeans = KMeansClusterHead(
        spec["clusters"], backend="torch", n_init=head["n_init"], max_iter=head["max_iter"], random_state=seed
    )
    return kmeans.fit_predict(z)
