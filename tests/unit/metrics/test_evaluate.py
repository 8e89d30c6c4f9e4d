from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import torch

from eco_core.errors import EcoWarning
from eco_core.metrics import label_metrics, structure_metrics
from eco_core.metrics.catalogue import METRICS
from eco_core.metrics.evaluate import evaluate

EDGES = torch.tensor([[0, 1, 2, 3, 1, 2], [1, 0, 3, 2, 2, 1]])
PRED = torch.tensor([4, 4, 9, 9])


def own_metrics():
    for metric in METRICS:
        module, _, attribute = metric.target.partition(":")
        yield metric.name, getattr(import_module(module), attribute)


def test_the_catalogue_names_existing_functions_and_describes_them():
    assert [name for name, _ in own_metrics()] == [
        *("nmi", "ari", "acc", "f1", "homogeneity", "completeness"),
        *("modularity", "conductance", "cut_fraction", "n_clusters"),
    ]
    assert all(metric.summary for metric in METRICS)


@pytest.mark.parametrize("module", ["eco_core.metrics", "eco_core.metrics.catalogue", "eco_core.ops"])
def test_importing_is_light(module):
    code = f"import sys, {module}; print([m for m in ('torch', 'sklearn', 'scipy', 'numpy') if m in sys.modules])"
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert child.stdout.strip() == "[]"


def test_computes_all_with_labels():
    y = torch.tensor([0, 0, 1, 0])
    values = evaluate(own_metrics(), {"y": y, "pred": PRED, "edge_index": EDGES, "edge_weight": None})
    assert values == {**label_metrics(y, PRED), **structure_metrics(EDGES, PRED)}
    assert type(values["n_clusters"]) is int
    assert {type(value) for name, value in values.items() if name != "n_clusters"} == {float}


@pytest.mark.parametrize("names", [{}, {"y": None}, {"y": torch.full((4,), -1)}])
def test_leaves_label_metrics_out_silently_without_labels(names):
    values = evaluate(own_metrics(), {**names, "pred": PRED, "edge_index": EDGES})
    assert list(values) == ["modularity", "conductance", "cut_fraction", "n_clusters"]


def test_fills_edge_weight_and_no_other_optional_parameter():
    weight = torch.tensor([1.0, 1.0, 1.0, 1.0, 4.0, 4.0])

    def other(pred, edge_weight=None, z=None):
        return float(edge_weight.sum()) if z is None else -1.0

    names = {"pred": PRED, "edge_index": EDGES, "edge_weight": weight, "z": torch.ones(4, 2)}
    values = evaluate([*own_metrics(), ("other", other)], names)
    assert values["cut_fraction"] == pytest.approx(8 / 12)
    assert values["other"] == 12


def test_a_metric_with_labels_sees_rows_of_labelled_nodes_only():
    seen: dict[str, Any] = {}

    def with_labels(y, pred, x, z, edge_index):
        seen.update(y=y, pred=pred, x=x.to_dense(), z=z, edges=edge_index.shape[1])
        return 1

    z = np.arange(8.0).reshape(4, 2)
    names = {
        "y": np.array([0.0, np.nan, 2.0, -1.0]),
        "pred": PRED,
        "x": torch.eye(4).to_sparse_coo(),
        "z": z,
        "edge_index": EDGES,
    }
    assert evaluate([("m", with_labels)], names) == {"m": 1}
    assert seen["y"].tolist() == [0, 2]
    assert seen["pred"].tolist() == [4, 9]
    assert seen["x"].tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    assert seen["z"].tolist() == z[[0, 2]].tolist()
    assert seen["edges"] == 6


def test_labels_come_as_a_vector_of_integers_of_the_same_kind_as_the_clusters():
    seen = []

    def metric(y, pred):
        seen.append((y, pred))
        return 1.0

    evaluate([("m", metric)], {"y": np.array([[1.0], [np.nan], [0.0], [1.0]]), "pred": PRED})
    evaluate([("m", metric)], {"y": torch.tensor([1, -1, 0, 1]), "pred": PRED.numpy()})
    assert isinstance(seen[0][0], torch.Tensor)
    assert isinstance(seen[1][0], np.ndarray)
    for y, pred in seen:
        assert y.tolist() == [1, 0, 1]
        assert pred.tolist() == [4, 9, 9]


def test_labels_that_cannot_be_used_leave_the_other_metrics():
    with pytest.warns(EcoWarning, match="compare with labels are left out") as caught:
        values = evaluate(own_metrics(), {"y": torch.ones(4, 3), "pred": PRED, "edge_index": EDGES})
    assert list(values) == ["modularity", "conductance", "cut_fraction", "n_clusters"]
    assert "shape (4, 3)" in str(caught[0].message)


def test_labels_of_another_number_of_nodes_leave_the_label_metrics_out():
    with pytest.warns(EcoWarning, match="3 labels but 4 cluster assignments") as caught:
        values = evaluate(own_metrics(), {"y": torch.tensor([0, 1, 1]), "pred": PRED, "edge_index": EDGES})
    assert len(caught) == 6
    assert len(values) == 4


def test_a_metric_without_labels_sees_all_nodes():
    names = {"y": torch.tensor([0, -1, 1, -1]), "pred": PRED, "edge_index": EDGES}
    assert evaluate([("size", lambda pred: len(pred))], names) == {"size": 4}


def broken(pred):
    raise KeyError("no such thing")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (broken, "KeyError: 'no such thing'"),
        (lambda pred: float("nan"), "it returned nan"),
        (lambda pred: None, "TypeError"),
        (lambda pred, colour: 1.0, "'colour'"),
    ],
)
def test_a_metric_that_fails_is_named_and_leaves_the_others_alone(function, said):
    metrics = [("bad", function), ("good", lambda pred: torch.tensor(0.5))]
    with pytest.warns(EcoWarning, match="Metric 'bad' is left out") as caught:
        assert evaluate(metrics, {"pred": PRED}) == {"good": 0.5}
    assert said in str(caught[0].message)
