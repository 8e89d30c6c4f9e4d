"""Encoders by their name, with every option reaching them."""

from __future__ import annotations

import inspect
from typing import Any

import eco_gnn
import pytest
import torch
from eco_gnn import GAT, GCN, GIN, MLP, SAGE, GATv2, create_tuned_gnn
from torch import Tensor

NODES, FEATURES = 12, 6
TYPES = {"gcn": GCN, "gat": GAT, "gatv2": GATv2, "sage": SAGE, "gin": GIN, "mlp": MLP}


@pytest.mark.parametrize("gnn_type", TYPES)
def test_a_name_gives_its_class_with_the_widths_asked_for(gnn_type: str, x: Tensor, edge_index: Tensor) -> None:
    encoder = create_tuned_gnn(gnn_type, FEATURES, 8, 3, out_channels=4)
    assert type(encoder) is TYPES[gnn_type]
    assert len(encoder.convolutions) == 3
    assert encoder(x, edge_index).shape == (NODES, 4)
    assert create_tuned_gnn(gnn_type.upper(), FEATURES, 8, 2)(x, edge_index).shape == (NODES, 8)


@pytest.mark.parametrize("gnn_type", TYPES)
def test_every_option_reaches_the_constructor(gnn_type: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    cls = TYPES[gnn_type]

    class Recording(cls):  # type: ignore[valid-type, misc]
        def __init__(self, **options: Any) -> None:
            given.update(options)

    Recording.__signature__ = inspect.signature(cls, eval_str=True)
    monkeypatch.setattr(f"eco_gnn.{gnn_type}.{cls.__name__}", Recording)
    parameters = inspect.signature(cls).parameters
    # Any other than the default: the other truth value, or the next number.
    options: dict[str, Any] = {"jk": "max", "act": "tanh", "norm": "graph", "aggr": "sum", "dropout": 0.25, "eps": 1.5}
    options |= {"attention_dropout": 0.1, "negative_slope": 0.7, "heads": 3, "mlp_layers": 3}
    options = {name: value for name, value in options.items() if name in parameters}
    options |= {name: not p.default for name, p in parameters.items() if isinstance(p.default, bool)}
    widths = {"in_channels": FEATURES, "hidden_channels": 8, "num_layers": 3, "out_channels": 4}
    create_tuned_gnn(gnn_type, FEATURES, 8, 3, 4, **options)
    assert given == {**widths, **options}
    assert set(given) == set(parameters)


def test_heads_are_averaged_or_joined_as_documented(x: Tensor, edge_index: Tensor) -> None:
    encoder = create_tuned_gnn(
        gnn_type="gat", in_channels=FEATURES, hidden_channels=8, num_layers=2, out_channels=4, heads=8, concat=False
    )
    assert encoder(x, edge_index).shape == (NODES, 4)
    assert [layer.heads for layer in encoder.convolutions] == [8, 8]
    assert encoder.convolutions[1].in_channels == 8
    joined: Any = create_tuned_gnn("gat", FEATURES, 8, 2, heads=8)
    assert joined.convolutions[1].in_channels == 64
    assert joined(x, edge_index).shape == (NODES, 8)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"norm": "batch_norm"}, {"norm": "batch"}),
        ({"norm": "layer_norm"}, {"norm": "layer"}),
        ({"norm": None}, {"norm": "none"}),
        ({"act": None}, {"act": "none"}),
    ],
)
def test_spellings_of_pyg_are_understood(
    written: dict[str, Any], meant: dict[str, Any], x: Tensor, edge_index: Tensor
) -> None:
    results = []
    for options in (written, meant):
        torch.manual_seed(0)
        results.append(create_tuned_gnn("gcn", FEATURES, 8, 2, **options)(x, edge_index))
    assert torch.equal(*results)


def test_unknown_type_is_named_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"gnn_type is 'pna'; it must be one of gcn, gat, gatv2, sage, gin, mlp\."):
        create_tuned_gnn("pna", FEATURES, 8, 2)


@pytest.mark.parametrize(("gnn_type", "option"), [("gcn", "heads"), ("mlp", "pre_linear"), ("gat", "cached")])
def test_unknown_option_is_named_with_the_known_ones(gnn_type: str, option: str) -> None:
    with pytest.raises(TypeError, match=rf"'{option}' is not an option of the encoder '{gnn_type}'.*dropout"):
        create_tuned_gnn(gnn_type, FEATURES, 8, 2, **{option: 1})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"heads": 0}, r"heads is 0: .*greater than or equal to 1"),
        ({"dropout": 1.0}, r"dropout is 1\.0: .*less than 1"),
        ({"norm": "spectral"}, r"norm is 'spectral': .*batch"),
        ({"jk": "sum"}, r"jk is 'sum': .*lstm"),
        ({"num_layers": 0}, r"num_layers is 0: "),
    ],
)
def test_wrong_value_is_named_with_its_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        create_tuned_gnn(
            **{"gnn_type": "gat", "in_channels": FEATURES, "hidden_channels": 8, "num_layers": 2, **options}
        )


def test_it_is_public() -> None:
    assert eco_gnn.create_tuned_gnn is create_tuned_gnn
    assert "create_tuned_gnn" in eco_gnn.__all__
