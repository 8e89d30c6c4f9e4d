"""What a fitted model gives to users: NumPy arrays; the tensors are in ``clustering_``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import eco_core as eco
from tests.graphs import blocks

KMEANS: dict[str, Any] = {"encoder": "identity", "head": "kmeans", "clusters": 3}


def test_labels_confidence_and_embedding_are_arrays() -> None:
    model = eco.compose(**KMEANS).fit(blocks())
    for values, dtype, shape in (
        (model.labels_, np.int64, (60,)),
        (model.confidence_, np.float32, (60,)),
        (model.embedding_, np.float32, (60, 12)),
    ):
        assert isinstance(values, np.ndarray)
        assert (values.dtype, values.shape) == (dtype, shape)


def test_predictions_are_arrays() -> None:
    model = eco.compose(**KMEANS)
    labels = model.fit_predict(blocks())
    assert isinstance(labels, np.ndarray)
    assert np.array_equal(model.predict(blocks()), labels)
    probabilities = model.predict_proba(blocks())
    assert isinstance(probabilities, np.ndarray)
    assert np.array_equal(probabilities.argmax(axis=1), labels)


def test_pandas_takes_them() -> None:
    pandas = pytest.importorskip("pandas")
    labels = eco.compose(**KMEANS).fit_predict(blocks())
    assert pandas.Categorical(labels).categories.tolist() == [0, 1, 2]


def test_embeddings_of_sparse_features_are_a_dense_array() -> None:
    model = eco.compose(**KMEANS).fit(blocks(sparse=True))
    assert isinstance(model.embedding_, np.ndarray)
    assert model.embedding_.shape[0] == 60


def test_the_tensors_are_in_the_clustering_also_after_loading(tmp_path: Path) -> None:
    model = eco.compose(**KMEANS).fit(blocks())
    for one in (model, eco.load(model.save(tmp_path / "run"))):
        assert isinstance(one.clustering_.labels, Tensor)
        assert np.array_equal(one.clustering_.labels.numpy(), model.labels_)
        assert torch.equal(one.clustering_.embedding, torch.from_numpy(model.embedding_))
        assert torch.equal(one.cluster(), one.clustering_.labels)


def test_a_model_written_by_hand_predicts_an_array() -> None:
    class Sign(eco.ClusteringModel):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(12))

        def loss(self, x: Tensor) -> Tensor:
            return (x @ self.weight).square().mean()

        def forward(self, x: Tensor) -> Tensor:
            return (x @ self.weight > 0).long()

    model = Sign()
    labels = model.fit_predict(blocks(), epochs=2)
    assert isinstance(labels, np.ndarray)
    assert np.array_equal(labels, model.infer_full(blocks()).numpy())
