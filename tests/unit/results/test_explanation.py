"""Why a cluster is a cluster: differences in the user's units, members, neighbours, baselines and the map."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch_geometric.data import Data

from eco_core.metrics.structure import conductance
from eco_core.results.blocks import block_matrix
from eco_core.results.clustering import Clustering
from eco_core.results.differences import Difference, differences_of, proposed_name
from eco_core.results.embedding_map import embedding_map
from eco_core.results.explanation import Explanation, explain, explain_from_results
from eco_core.results.explanation_files import read_explanation, write_explanation
from eco_core.results.members import _lowest, members_of
from eco_core.results.spectral import spectral_points

SIZES = (60, 40, 30)


def labels_of(sizes: tuple[int, ...] = SIZES) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))


def graph_of(sizes: tuple[int, ...] = SIZES, **more: Any) -> Data:
    """Groups of nodes with many edges within and few between; the features tell the groups apart."""
    random = np.random.default_rng(0)
    labels = labels_of(sizes).numpy()
    chance = np.where(labels[:, None] == labels[None, :], 0.3, 0.02)
    upper = np.triu(random.random(chance.shape) < chance, 1)
    edges = np.stack(np.nonzero(upper | upper.T))
    x = random.normal(size=(len(labels), 5)).astype(np.float32)
    x[:, 0] += 4 * labels
    graph = Data(x=torch.from_numpy(x), edge_index=torch.from_numpy(edges), name="groups", notes=[])
    for key, value in more.items():
        graph[key] = value
    return graph


def clustering_of(labels: torch.Tensor, **more: Any) -> Clustering:
    count = len(labels)
    embedding = torch.nn.functional.one_hot(labels).float() + 0.1 * torch.randn(
        count, int(labels.max()) + 1, generator=torch.Generator().manual_seed(0)
    )
    return Clustering(**{"labels": labels, "confidence": torch.full((count,), 0.9), "embedding": embedding, **more})


def table_of(labels: torch.Tensor) -> pd.DataFrame:
    random = np.random.default_rng(1)
    group = labels.numpy()
    return pd.DataFrame(
        {
            "income": np.where(group == 0, 90_000, 30_000) + random.normal(0, 2_000, len(group)),
            "city": np.where(group == 1, "Paris", "Oslo"),
            "member": group == 2,
            "joined": pd.Timestamp("2020-01-01") + pd.to_timedelta(np.where(group == 2, 700, 0), unit="D"),
            "bio": np.where(group == 0, "likes old sailing boats", "collects rare postage stamps"),
            "noise": random.normal(size=len(group)),
        }
    )


def explained(cluster: int, differences: list[tuple[Difference, ...]]) -> dict[str, Difference]:
    return {f"{each.column}={each.value}" if each.value else each.column: each for each in differences[cluster]}


def test_numbers_are_compared_in_their_own_units() -> None:
    labels = labels_of()
    found = explained(0, differences_of(graph_of(node_table=table_of(labels)), labels.numpy(), 3))
    income = found["income"]
    assert income.inside == pytest.approx(90_000, rel=0.02)
    assert income.outside == pytest.approx(30_000, rel=0.02)
    assert income.effect > 1
    assert income.sentence().startswith("income: mean 89,9")
    assert "sd" in income.sentence()


def test_categories_truth_dates_and_words_are_shares_and_days() -> None:
    labels = labels_of()
    found = differences_of(graph_of(node_table=table_of(labels)), labels.numpy(), 3)
    city = explained(1, found)["city=Paris"]
    assert (city.inside, city.outside) == (1.0, 0.0)
    assert city.sentence() == "city = Paris: 100 %, elsewhere 0 %"
    member = explained(2, found)["member=yes"]
    assert (member.inside, member.outside) == (1.0, 0.0)
    assert explained(2, found)["joined"].sentence().startswith("joined: mean 2021-12-01, elsewhere 2020-01-01")


def test_words_of_a_text_column_are_found() -> None:
    labels = labels_of()
    graph = graph_of(node_table=table_of(labels)[["bio"]], columns=[{"column": "bio", "kind": "text"}])
    words = {each.value for each in differences_of(graph, labels.numpy(), 3)[0] if each.effect > 0}
    assert words == {"likes", "old", "sailing", "boats"}


def test_noise_sets_nothing_apart() -> None:
    labels = labels_of()
    graph = graph_of(node_table=table_of(labels)[["noise"]])
    assert differences_of(graph, labels.numpy(), 3) == [(), (), ()]


@pytest.mark.parametrize("kind", ["id", "label", "ignored", "weight"])
def test_labels_and_ids_are_never_a_reason(kind: str) -> None:
    labels = labels_of()
    table = pd.DataFrame({"class": labels.numpy().astype(str), "income": table_of(labels)["income"]})
    columns = [{"column": "class", "kind": kind}, {"column": "income", "kind": "numeric"}]
    graph = graph_of(node_table=table, columns=columns)
    assert {each.column for row in differences_of(graph, labels.numpy(), 3) for each in row} == {"income"}


def test_missing_values_are_left_out_of_means() -> None:
    labels = labels_of()
    table = table_of(labels)[["income", "city"]]
    table.loc[::3, "income"] = np.nan
    table.loc[::4, "city"] = None
    found = differences_of(graph_of(node_table=table), labels.numpy(), 3)
    assert explained(0, found)["income"].inside == pytest.approx(90_000, rel=0.02)
    assert explained(1, found)["city=Paris"].inside == 1.0


def test_without_a_table_features_are_compared_sparse_ones_by_share() -> None:
    labels = labels_of()
    assert differences_of(graph_of(), labels.numpy(), 3)[2][0].column == "feature 0"
    words = torch.zeros(len(labels), 12)
    words[labels == 1, 7] = 1.0
    for x in (words, words.to_sparse_coo()):
        found = differences_of(graph_of(x=x), labels.numpy(), 3)[1]
        assert [(each.column, each.kind, each.inside, each.outside) for each in found] == [("feature 7", "share", 1, 0)]
        named = differences_of(graph_of(x=x, feature_names=[f"word{n}" for n in range(12)]), labels.numpy(), 3)[1]
        assert proposed_name(named) == "word7"


def test_a_name_says_what_a_cluster_has_not_what_it_lacks() -> None:
    has = Difference("city", "share", "Paris", 0.8, 0.1, 1.5)
    lacks = Difference("city", "share", "Oslo", 0.0, 0.9, -2.0)
    low = Difference("age", "numeric", "", 20.0, 50.0, -1.6)
    weak = Difference("height", "numeric", "", 1.8, 1.7, 0.3)
    assert proposed_name([lacks, low, has, weak]) == "low age, city = Paris"
    assert proposed_name([lacks, weak]) == ""


def test_names_are_distinct_and_clusters_come_the_largest_first() -> None:
    labels = labels_of()
    explanation = explain(graph_of(node_table=table_of(labels)), clustering_of(labels))
    assert [cluster.size for cluster in explanation.clusters] == [60, 40, 30]
    names = [cluster.name for cluster in explanation.clusters]
    assert len(set(names)) == 3
    assert "city = Paris" in names[1]


def test_density_and_conductance_are_those_of_the_metrics() -> None:
    graph, labels = graph_of(), labels_of()
    clusters = explain(graph, clustering_of(labels)).clusters
    assert np.mean([each.conductance for each in clusters]) == pytest.approx(
        conductance(labels, edge_index=graph.edge_index)
    )
    source, target = graph.edge_index
    within = int(((labels[source] == 0) & (labels[target] == 0)).sum())
    assert clusters[0].density == pytest.approx(within / (60 * 59))
    assert sum(each.share for each in clusters[0].neighbours) == pytest.approx(1)


def test_the_block_matrix_sums_the_weights_between_clusters() -> None:
    edges = torch.tensor([[0, 1, 1, 2, 2], [1, 0, 2, 1, 2]])
    weight = torch.tensor([2.0, 2.0, 3.0, 3.0, 5.0])
    between, inside = block_matrix(np.array([0, 0, 1]), 2, edges, weight)
    assert between.toarray().tolist() == [[4, 3], [3, 5]]
    assert inside.tolist() == [2, 0]  # A self-loop is no pair.


def test_clusters_may_have_any_numbers_and_nodes_ids() -> None:
    labels = torch.where(labels_of() == 1, 17, labels_of())
    ids = [f"node-{n}" for n in range(len(labels))]
    clustering = Clustering(labels, torch.rand(len(labels)), torch.randn(len(labels), 4), node_ids=ids)
    explanation = explain(graph_of(), clustering)
    assert {cluster.cluster for cluster in explanation.clusters} == {0, 2, 17}
    least = explanation.clusters[0].uncertain[0]
    confidence = clustering.confidence[labels == 0]
    assert least.node == ids[int(confidence.argmin())]
    assert explanation.blocks.clusters == (0, 17, 2)


def test_the_typical_members_are_nearest_to_the_centre() -> None:
    labels = labels_of((40, 40))
    embedding = torch.nn.functional.one_hot(labels).float()
    embedding[:30] += torch.tensor([0.0, 0.5])
    typical, _ = members_of(clustering_of(labels, embedding=embedding), labels.numpy(), 2, limit=5)
    assert all(int(member.node) < 30 for member in typical[0])
    assert all(int(member.node) >= 40 for member in typical[1])


def test_the_baselines_see_features_or_structure_alone() -> None:
    labels = labels_of()
    graph = graph_of(y=labels)
    features, structure = explain(graph, clustering_of(labels)).baselines
    assert features.metrics["nmi"] > 0.8
    assert structure.metrics["nmi"] > 0.8
    noise = graph_of(y=labels, x=torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(3)))
    features, structure = explain(noise, clustering_of(labels)).baselines
    assert features.metrics["nmi"] < 0.2
    assert structure.metrics["nmi"] > 0.8


def test_labels_change_nothing_but_label_metrics() -> None:
    labels = labels_of()
    with_labels = explain(graph_of(y=labels), clustering_of(labels)).document()
    without = explain(graph_of(), clustering_of(labels)).document()
    for key in ("clusters", "map", "blocks", "confidence"):
        assert with_labels[key] == without[key]
    assert "nmi" not in without["baselines"][0]["metrics"]


def test_an_explanation_neither_reads_nor_changes_global_random_numbers() -> None:
    labels = labels_of()
    torch.manual_seed(1)
    np.random.seed(1)
    first = explain(graph_of(), clustering_of(labels)).document()
    after = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(1)
    np.random.seed(1)
    assert (torch.rand(1).item(), np.random.rand()) == after
    second = explain(graph_of(), clustering_of(labels)).document()
    assert {**first, "seconds": 0} == {**second, "seconds": 0}


@pytest.mark.parametrize(
    "graph",
    [
        Data(x=torch.ones(4, 1), edge_index=torch.empty(2, 0, dtype=torch.long), name="g", notes=[]),
        Data(x=torch.eye(4), edge_index=torch.tensor([[0], [0]]), name="g", notes=[]),
    ],
    ids=["no edges", "a loop"],
)  # fmt: skip
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [0, 0, 1, 1]])
def test_small_and_odd_graphs_are_explained(graph: Data, labels: list[int]) -> None:
    clustering = Clustering(torch.tensor(labels), torch.ones(4), torch.randn(4, 2))
    explanation = explain(graph, clustering)
    assert sum(cluster.size for cluster in explanation.clusters) == 4
    json.dumps(explanation.document(), allow_nan=False)


def test_the_map_covers_a_sample_of_many_nodes_and_separates_groups() -> None:
    labels = labels_of((200, 200))
    z = torch.nn.functional.one_hot(labels, 8).float() + 0.05 * torch.randn(
        400, 8, generator=torch.Generator().manual_seed(0)
    )
    plane = embedding_map(z, most=150)
    assert plane.xy.shape == (150, 2)
    assert plane.rows is not None
    assert "sample of 150 of 400" in plane.method
    xy, groups = plane.xy.astype(float), labels.numpy()[plane.rows]
    centres = np.stack([xy[groups == group].mean(0) for group in (0, 1)])
    spread = max(np.linalg.norm(xy[groups == group] - centres[group], axis=1).mean() for group in (0, 1))
    assert np.linalg.norm(centres[0] - centres[1]) > 2 * spread


def test_nodes_beyond_the_landmarks_lie_among_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eco_core.results.embedding_map._LANDMARKS", 100)
    labels = labels_of((200, 200))
    z = torch.nn.functional.one_hot(labels, 8).float() + 0.05 * torch.randn(
        400, 8, generator=torch.Generator().manual_seed(0)
    )
    xy = embedding_map(z).xy.astype(float)
    centres = np.stack([xy[labels.numpy() == group].mean(0) for group in (0, 1)])
    nearest = np.linalg.norm(xy[:, None] - centres[None], axis=2).argmin(1)
    assert (nearest == labels.numpy()).mean() > 0.98


def test_files_are_read_as_they_were_written(tmp_path: Any) -> None:
    labels = labels_of()
    explanation = explain(graph_of(node_table=table_of(labels), y=labels), clustering_of(labels))
    write_explanation(tmp_path, explanation)
    read = read_explanation(tmp_path)
    assert isinstance(read, Explanation)
    assert [cluster.name for cluster in read.clusters] == [cluster.name for cluster in explanation.clusters]
    assert np.array_equal(read.map.xy, explanation.map.xy)
    assert read.clusters[0].differences[0].sentence() == explanation.clusters[0].differences[0].sentence()
    table = pd.read_csv(tmp_path / "clusters.csv")
    assert table["size"].tolist() == [60, 40, 30]
    assert table["distinguishing"].str.contains("elsewhere").all()
    assert (tmp_path / "explanation.json").stat().st_size < 30_000


def test_a_run_without_its_graph_is_still_described() -> None:
    labels = labels_of()
    explanation = explain_from_results(clustering_of(labels))
    assert [cluster.size for cluster in explanation.clusters] == [60, 40, 30]
    assert math.isnan(explanation.clusters[0].density)
    assert "explanation.json" in explanation.notes[0]


def test_a_graph_whose_structure_takes_minutes_has_one_baseline_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("eco_core.results.spectral._CHEAP_PRODUCTS", 1)
    labels = labels_of()
    explanation = explain(graph_of(), clustering_of(labels))
    assert [baseline.name for baseline in explanation.baselines] == ["features alone"]
    assert "'structure alone' is left out" in explanation.notes[0]


@pytest.mark.parametrize("directed", [False, True])
def test_spectral_points_are_the_leading_eigenvectors(directed: bool) -> None:
    random = np.random.default_rng(0)
    block = np.repeat([0, 1, 2], 30)
    dense = np.triu(random.random((90, 90)) < np.where(block[:, None] == block, 0.5, 0.05), 1).astype(float)
    whole = (dense + dense.T) / 2 if directed else dense + dense.T
    edges = torch.from_numpy(np.stack(np.nonzero(dense if directed else whole)))
    degree = whole.sum(1)
    regular = whole + degree.mean() / 90
    scale = 1 / np.sqrt(degree + degree.mean())
    vectors = np.linalg.eigh(scale[:, None] * regular * scale)[1][:, -3:]
    expected = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = spectral_points(edges, None, 90, 3, undirected=not directed).numpy()
    assert np.allclose(np.linalg.svd(found.T @ expected)[1].sum(), 90, rtol=1e-3)


def test_the_lowest_of_equal_nodes_are_found_by_the_next_key() -> None:
    confidence, distance = np.array([0.5, 0.1, 0.1, 0.9, 0.1, 0.5]), np.array([3.0, 1.0, 5.0, 0.0, 2.0, 9.0])
    nodes = np.arange(6)
    expected = np.lexsort((-distance, confidence))
    for limit in range(1, 8):
        assert _lowest(nodes, (confidence, -distance), limit).tolist() == expected[:limit].tolist()
