"""The published NMI of the field's table, reached as means over training seeds (about an hour on two cores)."""

from __future__ import annotations

import csv
from pathlib import Path
from statistics import mean, stdev

import pytest

import eco_core as eco
from tests.real_data import needs_real_data, real_data_root

pytestmark = [pytest.mark.quality, needs_real_data]

SEEDS = range(5)
PUBLISHED = Path(__file__).parents[2] / "benchmarks" / "suites" / "published_reference.csv"
# The same methods in the implementation behind that table, run again with one to three seeds on a CPU.
MEASURED = {("node2vec", "cora"): 0.457, ("gae", "cora"): 0.496, ("daegc", "cora"): 0.486, ("dinknet", "cora"): 0.550}
MEASURED[("node2vec", "photo")] = 0.669


def published_nmi(recipe: str, data: str) -> float:
    with PUBLISHED.open(newline="", encoding="utf-8") as file:
        rows = {(row["method"], row["data"], row["metric"]): float(row["mean"]) for row in csv.DictReader(file)}
    return rows[recipe, data, "nmi"]


# The recipes of eco-nonparametric have tests of their own, in that plugin.
@pytest.mark.parametrize("data", ["cora", "photo"])
@pytest.mark.parametrize("recipe", ["kmeans", "node2vec", "gae", "daegc", "dinknet"])
def test_recipe_reaches_the_published_figure(recipe: str, data: str) -> None:
    values = []
    for seed in SEEDS:
        model = eco.compose({"data": {"name": data, "root": str(real_data_root())}}, recipe=recipe, seed=seed)
        graph = model.load_graph()
        labels = graph.y
        del graph.y  # Training cannot see what is not there.
        values.append(eco.label_metrics(labels, model.fit_predict(graph), ["nmi"])["nmi"])
    goal = min(published_nmi(recipe, data), MEASURED.get((recipe, data), 1.0))
    tolerance = max(0.02, 2 * stdev(values) / len(values) ** 0.5)
    print(f"\n{recipe} on {data}: NMI mean {mean(values):.4f} of {[round(value, 4) for value in values]}, goal {goal}")
    assert mean(values) >= goal - tolerance
