from __future__ import annotations

import itertools

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from eco_core.errors import DataError, SpecError
from eco_core.metrics import label_metrics
from eco_core.metrics.labels import acc, ari, completeness, f1, homogeneity, nmi

ALL = ("nmi", "ari", "acc", "f1", "homogeneity", "completeness")


@st.composite
def labelings(draw, max_classes: int = 4, max_clusters: int = 5):
    n = draw(st.integers(2, 25))
    y = draw(st.lists(st.integers(0, max_classes - 1), min_size=n, max_size=n))
    pred = draw(st.lists(st.integers(0, max_clusters - 1), min_size=n, max_size=n))
    return np.array(y), np.array(pred)


def all_matches(y, pred):
    """Every one-to-one assignment of clusters to classes (or to none), by brute force."""
    classes, clusters = np.unique(y), np.unique(pred)
    targets = [*classes, *[-1 - i for i in range(len(clusters))]]
    for chosen in itertools.permutations(targets, len(clusters)):
        yield np.array([dict(zip(clusters, chosen, strict=True))[p] for p in pred])


@given(labelings())
@settings(max_examples=50, deadline=None)
def test_equals_sklearn_where_no_matching_is_needed(pair):
    y, pred = pair
    assert nmi(pred, y=y) == pytest.approx(sklearn.metrics.normalized_mutual_info_score(y, pred), abs=1e-12)
    assert ari(pred, y=y) == pytest.approx(sklearn.metrics.adjusted_rand_score(y, pred), abs=1e-12)
    assert homogeneity(pred, y=y) == pytest.approx(sklearn.metrics.homogeneity_score(y, pred), abs=1e-12)
    assert completeness(pred, y=y) == pytest.approx(sklearn.metrics.completeness_score(y, pred), abs=1e-12)


@given(labelings(max_classes=3, max_clusters=4))
@settings(max_examples=30, deadline=None)
def test_acc_and_f1_equal_the_best_matching_found_by_brute_force(pair):
    y, pred = pair
    matches = list(all_matches(y, pred))
    correct = max(int((mapped == y).sum()) for mapped in matches)
    macros = []
    for mapped in matches:
        if (mapped == y).sum() < correct:
            continue
        macro = sklearn.metrics.f1_score(y, mapped, labels=np.unique(y), average="macro", zero_division=0)
        macros.append(macro)
    assert acc(pred, y=y) == pytest.approx(correct / len(y))
    assert f1(pred, y=y) == pytest.approx(max(macros))


@given(labelings(), st.permutations(range(5)), st.randoms(use_true_random=False))
@settings(max_examples=50, deadline=None)
def test_does_not_change_when_clusters_are_renumbered_or_nodes_reordered(pair, numbers, random):
    y, pred = pair
    order = list(range(len(y)))
    random.shuffle(order)
    ids = np.array([-1, 7, 100, 3, 12345])[list(numbers)]
    before, after = label_metrics(y, pred), label_metrics(y[order], ids[pred][order])
    assert after == pytest.approx(before, abs=1e-12)


@given(labelings())
@settings(max_examples=50, deadline=None)
def test_all_but_ari_are_fractions(pair):
    values = label_metrics(*pair)
    assert all(0 <= values[name] <= 1 for name in ALL if name != "ari")
    assert -0.5 - 1e-12 <= values["ari"] <= 1


@given(labelings())
@settings(max_examples=50, deadline=None)
def test_a_perfect_clustering_scores_one(pair):
    y, _ = pair
    assert label_metrics(y, 10 - 3 * y) == pytest.approx(dict.fromkeys(ALL, 1.0))


def test_one_cluster_for_two_equal_classes():
    values = label_metrics(np.array([0, 0, 1, 1]), np.zeros(4, int))
    assert values == pytest.approx(
        {"nmi": 0, "ari": 0, "acc": 0.5, "f1": (2 / 3 + 0) / 2, "homogeneity": 0, "completeness": 1}
    )


def test_nodes_of_unmatched_clusters_are_wrong():
    y = np.array([0, 0, 0, 1, 1, 1])
    pred = np.array([0, 0, 1, 2, 2, 3])
    assert acc(pred, y=y) == pytest.approx(4 / 6)
    assert f1(pred, y=y) == pytest.approx(2 * 2 / (3 + 2))
    assert homogeneity(pred, y=y) == pytest.approx(1)


def test_every_node_in_a_cluster_of_its_own_gives_no_warning(recwarn):
    values = label_metrics(np.array([0, 0, 1, 1]), np.arange(4))
    assert values["acc"] == 0.5
    assert values["homogeneity"] == pytest.approx(1)
    assert not recwarn.list


def test_the_noise_id_counts_as_a_cluster():
    y = np.array([0, 0, 1, 1])
    assert label_metrics(y, np.array([-1, -1, 4, 4])) == pytest.approx(dict.fromkeys(ALL, 1.0))


@pytest.mark.parametrize("missing", [-1, np.nan])
def test_unlabelled_nodes_are_left_out(missing):
    y = np.array([0, 0, 1, 1, missing, missing])
    pred = np.array([3, 3, 3, 5, 5, 8])
    assert label_metrics(y, pred) == label_metrics(np.array([0, 0, 1, 1]), pred[:4])


def test_takes_tensors_and_columns_and_gives_python_floats():
    y, pred = torch.tensor([[0], [0], [1]]), torch.tensor([2, 2, 0])
    values = label_metrics(y, pred)
    assert values == pytest.approx(dict.fromkeys(ALL, 1.0))
    assert all(type(value) is float for value in values.values())


def test_names_are_returned_as_they_were_asked_for():
    y = np.array([0, 1, 1])
    assert list(label_metrics(y, y, metrics=["NMI", "ari", "Acc"])) == ["NMI", "ari", "Acc"]
    assert label_metrics(y, y, metrics="F1") == {"F1": 1.0}


def test_unknown_names_are_reported_together_with_suggestions():
    with pytest.raises(SpecError) as caught:
        label_metrics(np.zeros(2), np.zeros(2), metrics=["nmi", "homogenity", "xyz"])
    assert [problem.code for problem in caught.value.problems] == ["ECO101", "ECO101"]
    assert "'homogenity'" in str(caught.value)
    assert "Did you mean 'homogeneity'?" in str(caught.value)
    assert "Known here: acc, ari" in str(caught.value)


@pytest.mark.parametrize(
    ("y", "pred", "found"),
    [
        (np.zeros(3), np.zeros(2), "3 labels but 2 cluster assignments"),
        (np.full(3, -1), np.zeros(3), "None of the 3 nodes has a label"),
        (np.zeros(0), np.zeros(0), "None of the 0 nodes has a label"),
        (np.zeros(3), np.zeros((3, 2)), "shape (3, 2)"),
        (np.zeros((3, 4)), np.zeros(3), "shape (3, 4)"),
        (np.zeros(3), np.array([0, 0.5, 1]), "hold 0.5"),
        (np.array([0, 0.25, 1]), np.zeros(3), "hold 0.25"),
        (np.zeros(3), np.array([0, np.nan, 1]), "hold nan"),
        (np.array(["a", "b"]), np.zeros(2), "dtype <U1"),
    ],
)
def test_mismatched_input_is_refused_in_a_sentence(y, pred, found):
    with pytest.raises(DataError) as caught:
        label_metrics(y, pred)
    assert caught.value.problems[0].code == "ECO305"
    assert caught.value.problems[0].fix
    assert found in str(caught.value)


def test_many_nodes_are_counted_sparsely():
    rng = np.random.default_rng(0)
    y = rng.integers(0, 40, 200_000)
    pred = np.where(rng.random(len(y)) < 0.7, y, rng.integers(0, 60, len(y)))
    assert acc(pred, y=y) == pytest.approx(0.7 + 0.3 / 60, abs=0.01)
