"""The losses of heads on batches estimate those of the whole graph; the heads are those of installed plugins."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from eco_core.data.sampling.batches import NeighborBatches, SubgraphBatches
from eco_core.errors import EcoError
from eco_core.inject.calls import call
from eco_core.ops.sample import BatchRows
from eco_core.parts.loss import LossOutput
from eco_core.registry.registry import Registry
from tests.graphs import blocks

NODES, CLUSTERS = 120, 3
HEADS: list[tuple[str, dict[str, Any]]] = [
    ("dmon", {}),
    ("mincut", {}),
    ("neuromap", {}),
    ("dgcluster", {"alpha": 1.0}),
    *(("sbm", {"variant": variant}) for variant in ("poisson", "poisson-dc", "bernoulli", "bernoulli-dc", "match")),
]
IDS = [" ".join((name, *parameters.values())) if name == "sbm" else name for name, parameters in HEADS]


def make(name: str, parameters: dict[str, Any]) -> Any:
    try:
        entry = Registry.discover().find("head", name)
    except EcoError:
        pytest.skip(f"head '{name}' is not installed")
    torch.manual_seed(0)
    names = {"n_features": 4} if name == "dgcluster" else {"n_features": 4, "n_clusters": CLUSTERS}
    return entry.load()(**names, **parameters)


def graph() -> Any:
    return blocks(NODES, CLUSTERS)


def embeddings(labels: Tensor) -> Tensor:
    noise = torch.randn(NODES, 4, generator=torch.Generator().manual_seed(0))
    return noise + 2 * torch.nn.functional.one_hot(labels, 4)


def parts(head: Any, z: Tensor, rows: BatchRows | None, prepared: dict[str, Any], whole: Any) -> dict[str, float]:
    if rows is None:
        names = {"edge_index": whole.edge_index, "edge_weight": None, "z": z}
    else:
        names = {"edge_index": rows.edge_index, "edge_weight": rows.edge_weight, "z": z[rows.n_id]}
    own = {key: value if rows is None else value.of_batch(rows) for key, value in prepared.items()}
    loss = LossOutput.of(call(head.forward, {**names, **own}, **own))
    return {name: float(torch.as_tensor(value).detach()) for name, value in loss.components.items()}


@pytest.mark.parametrize(("name", "parameters"), HEADS, ids=IDS)
@pytest.mark.parametrize("kind", ["neighbor", "subgraph"])
def test_a_batch_of_all_nodes_has_the_loss_of_the_graph(name, parameters, kind):
    head, whole = make(name, parameters), graph()
    z, prepared = embeddings(whole.y), head.prepare(whole)
    batches = NeighborBatches(whole, [2], NODES) if kind == "neighbor" else SubgraphBatches(whole, NODES)
    (batch,) = batches
    expected = parts(head, z, None, prepared, whole)
    found = parts(head, z, batch.rows, prepared, whole)
    assert found == pytest.approx(expected, rel=0.02 if "bernoulli" in str(parameters) else 1e-4, abs=1e-5)


@pytest.mark.parametrize(("name", "parameters"), HEADS, ids=IDS)
@pytest.mark.parametrize("kind", ["neighbor", "subgraph"])
def test_batches_of_half_the_nodes_have_nearly_that_loss_on_average(name, parameters, kind):
    head, whole = make(name, parameters), graph()
    z, prepared = embeddings(whole.y), head.prepare(whole)
    batches = NeighborBatches(whole, [2], NODES // 2) if kind == "neighbor" else SubgraphBatches(whole, NODES // 2)
    torch.manual_seed(0)
    found = [parts(head, z, batch.rows, prepared, whole) for _ in range(100) for batch in batches]
    for part, expected in parts(head, z, None, prepared, whole).items():
        values = torch.tensor([each[part] for each in found])
        error = float(values.std()) / len(values) ** 0.5
        # Two batches of an epoch are not independent: what one has too much, the other lacks.
        allowed = 3 * error if (part, name) == ("modularity", "dmon") else 3 * error + 0.1 * abs(expected) + 0.02
        assert float(values.mean()) == pytest.approx(expected, abs=allowed), part
        if part == "collapse":
            assert float(values.mean()) >= expected - 1e-6  # Smaller samples are less even.
