"""What holds for every encoder: shapes, gradients, symmetries, odd graphs, and that every parameter does something."""

from __future__ import annotations

import copy
import inspect
import pickle
from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN, GIN, H2GCN, MLP, SAGE, GATv2, Polynormer, SGFormer
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from eco_core import compose
from eco_core.errors import EcoError

NODES, FEATURES = 12, 6
ENCODERS = [GCN, GAT, GATv2, SAGE, GIN, MLP, SGFormer, Polynormer, H2GCN]
WEIGHTED = [GCN, SAGE, GIN, SGFormer, Polynormer, H2GCN]
SMALL: dict[str, Any] = {"in_channels": FEATURES, "hidden_channels": 5}
FEW_LAYERS: dict[type, dict[str, Any]] = {Polynormer: {"local_layers": 2, "global_layers": 1}}
# Everything an encoder can have, so that there are all its kinds of parameters.
RICH: dict[type, dict[str, Any]] = {
    GAT: {"heads": 2, "edge_attention": True},
    GATv2: {"heads": 2, "edge_attention": True},
    SAGE: {"project": True, "normalize": True},
    GIN: {"mlp_layers": 3},
    SGFormer: {"trans_num_heads": 2, "aggregate": "cat"},
    Polynormer: {"heads": 2, "pre_ln": True, "local_attn": True},
}
NO_EDGES = torch.empty(2, 0, dtype=torch.long)


def build(cls: type, **parameters: Any) -> Any:
    torch.manual_seed(0)
    return cls(**{**SMALL, **FEW_LAYERS.get(cls, {}), **parameters})


def rich(cls: type, **parameters: Any) -> Any:
    around = {"norm": "layer", "residual": True, "jk": "lstm", "act": "prelu", "out_channels": 4}
    accepted = inspect.signature(cls).parameters
    around = {name: value for name, value in around.items() if name in accepted}
    around |= {"pre_linear": True} if "pre_linear" in accepted else {}
    return build(cls, **around, **RICH.get(cls, {}), **parameters)


def random_graph(seed: int, nodes: int, edges: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random features and edges with weights: self-loops, parallel edges and isolated nodes may be among them."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(nodes, FEATURES, generator=generator, dtype=torch.double)
    weight = 0.1 + torch.rand(edges, generator=generator, dtype=torch.double)
    return x, torch.randint(nodes, (2, edges), generator=generator), weight


# ------------------------------------------------------------------------------------------------ shapes, gradients


@pytest.mark.parametrize("cls", ENCODERS)
def test_embeddings_are_as_wide_as_the_encoder_says(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    for parameters, width in [({}, 5), ({"out_channels": 3}, 3), ({"hidden_channels": 2, "out_channels": 4}, 4)]:
        encoder = build(cls, **parameters)
        z = encoder(x, edge_index)
        assert z.shape == (NODES, width)
        assert encoder.out_channels == width
        assert z.isfinite().all()


@pytest.mark.parametrize("cls", ENCODERS)
def test_default_width_is_64(cls: Any) -> None:
    assert cls(in_channels=FEATURES).out_channels == 64


@pytest.mark.parametrize("make", [build, rich])
@pytest.mark.parametrize("cls", ENCODERS)
def test_all_parameters_get_gradients(cls: Any, make: Any, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    encoder = make(cls)
    target = torch.randn(NODES, encoder.out_channels, generator=torch.Generator().manual_seed(1))
    (encoder(x, edge_index, edge_weight) * target).square().sum().backward()
    assert cls.learns is True
    for name, parameter in encoder.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        # The bias before a normalisation over the nodes changes nothing.
        if parameter.dim() > 1:
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("cls", ENCODERS)
def test_gradients_are_correct_in_double_precision(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls, hidden_channels=2).double()
    features = x.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda value: encoder(value, edge_index), (features,), fast_mode=True)


@pytest.mark.parametrize("cls", WEIGHTED)
def test_gradients_of_edge_weights_are_correct(cls: Any, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    encoder = build(cls, hidden_channels=2).double()
    weight = edge_weight.double().requires_grad_()
    assert torch.autograd.gradcheck(lambda w: encoder(x.double(), edge_index, w), (weight,), fast_mode=True)
    assert not torch.allclose(encoder(x.double(), edge_index, weight), encoder(x.double(), edge_index))


# ------------------------------------------------------------------------------------------------ symmetries


@pytest.mark.parametrize("make", [build, rich])
@pytest.mark.parametrize("cls", ENCODERS)
@given(seed=st.integers(0, 10_000), nodes=st.integers(2, 14), density=st.floats(0, 3))
@settings(max_examples=8, deadline=None)
def test_renumbering_nodes_renumbers_embeddings(cls: Any, make: Any, seed: int, nodes: int, density: float) -> None:
    x, edge_index, weight = random_graph(seed, nodes, int(density * nodes))
    order = torch.randperm(nodes, generator=torch.Generator().manual_seed(seed + 1))
    encoder = make(cls).double()
    renumbered = encoder(x[order], order.argsort()[edge_index], weight)
    torch.testing.assert_close(renumbered, encoder(x, edge_index, weight)[order])


@pytest.mark.parametrize("cls", ENCODERS)
def test_order_of_edges_does_not_matter(cls: Any, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    order = torch.randperm(edge_index.size(1), generator=torch.Generator().manual_seed(1))
    encoder = build(cls)
    shuffled = encoder(x, edge_index[:, order], edge_weight[order])
    torch.testing.assert_close(shuffled, encoder(x, edge_index, edge_weight))


@pytest.mark.parametrize("cls", ENCODERS)
def test_weights_of_one_are_those_of_an_unweighted_graph(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls)
    ones = torch.ones(edge_index.size(1))
    torch.testing.assert_close(encoder(x, edge_index, ones), encoder(x, edge_index))


# ------------------------------------------------------------------------------------------------ odd graphs


@pytest.mark.parametrize("make", [build, rich])
@pytest.mark.parametrize("cls", ENCODERS)
def test_graphs_without_edges_of_one_node_or_of_zeros_are_encoded(cls: Any, make: Any, x: Tensor) -> None:
    nothing = torch.zeros(3, FEATURES)
    for features, edges in [
        (x, NO_EDGES),
        (x[:1], NO_EDGES),
        (x[:1], torch.zeros(2, 1, dtype=torch.long)),
        (nothing, NO_EDGES),
        (nothing, torch.tensor([[0], [1]])),
    ]:
        encoder = make(cls)
        z = encoder(features, edges)
        z.square().sum().backward()
        assert z.shape == (len(features), encoder.out_channels)
        assert z.isfinite().all()
        assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


@pytest.mark.parametrize("cls", [GCN, GAT, GATv2, SAGE, GIN, MLP, H2GCN])
def test_an_isolated_node_is_encoded_from_its_own_features(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    inner = edge_index[:, (edge_index < NODES - 1).all(dim=0)]
    encoder = build(cls)
    alone = encoder(x[-1:], NO_EDGES)
    torch.testing.assert_close(encoder(x, inner)[-1:], alone)
    assert alone.abs().sum() > 0


@pytest.mark.parametrize("cls", ENCODERS)
def test_integer_and_double_weights_are_accepted(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls)
    twos = torch.full((edge_index.size(1),), 2)
    torch.testing.assert_close(encoder(x, edge_index, twos), encoder(x, edge_index, twos.double()))


# ------------------------------------------------------------------------------------------------ sparse features


@pytest.mark.parametrize("make", [build, rich])
@pytest.mark.parametrize("cls", ENCODERS)
def test_sparse_features_give_the_embeddings_and_gradients_of_dense_ones(
    cls: Any, make: Any, x: Tensor, edge_index: Tensor, edge_weight: Tensor
) -> None:
    features = (x * (x > 0.3)).double()
    dense, sparse = make(cls).double(), make(cls).double()
    expected = dense(features, edge_index, edge_weight)
    found = sparse(features.to_sparse(), edge_index, edge_weight)
    torch.testing.assert_close(found, expected)
    expected.square().sum().backward()
    found.square().sum().backward()
    for one, other in zip(dense.parameters(), sparse.parameters(), strict=True):
        torch.testing.assert_close(other.grad, one.grad)
    assert cls.supports_sparse_x is True


# ------------------------------------------------------------------------------------------------ precision, memory


@pytest.mark.parametrize("cls", ENCODERS)
def test_mixed_precision_runs_forward_and_backward(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(cls)
    expected = encoder(x, edge_index)
    for features in (x, x.to_sparse()):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            z = encoder(features, edge_index)
        z.float().sum().backward()
        torch.testing.assert_close(z.float(), expected, atol=0.1, rtol=0.1)


class LargestTensor(TorchDispatchMode):
    """Watches every dense tensor that operations return, those of the backward pass included."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        sizes = [t.numel() for t in tree_leaves(result) if isinstance(t, Tensor) and t.layout is torch.strided]
        self.size = max([self.size, *sizes])
        return result


@pytest.mark.parametrize(
    ("cls", "parameters", "expected"),
    [
        (GCN, {}, False),
        (SAGE, {}, False),
        (SAGE, {"aggr": "sum", "project": True}, False),
        (SAGE, {"aggr": "max"}, False),
        (GIN, {}, False),
        (MLP, {}, False),
        (SGFormer, {}, False),
        (Polynormer, {}, False),
        (GAT, {}, False),
        (GATv2, {}, True),
        (Polynormer, {"local_attn": True}, True),
    ],
)
def test_vectors_of_edges_and_pairs_of_nodes_are_stored_by_attention_of_neighbours_only(
    cls: Any, parameters: dict[str, Any], expected: bool
) -> None:
    nodes, edges, width = 200, 4000, 16
    x, edge_index, _ = random_graph(0, nodes, edges)
    encoder = build(cls, hidden_channels=width, **parameters)
    with LargestTensor() as largest:
        encoder(x.float(), edge_index).square().sum().backward()
    assert (largest.size >= min(edges * width, nodes * nodes)) is expected


# ------------------------------------------------------------------------------------------------ state


@pytest.mark.parametrize("cls", ENCODERS)
def test_the_seed_determines_parameters_and_dropout(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    names = [name for name in inspect.signature(cls).parameters if name.endswith("dropout")]
    dropping = dict.fromkeys(names, 0.5) | {"out_channels": 4}
    one, other = build(cls, **dropping), build(cls, **dropping)
    torch.manual_seed(5)
    first = one(x, edge_index)
    torch.manual_seed(5)
    assert torch.equal(other(x, edge_index), first)
    assert not torch.equal(other(x, edge_index), first)
    assert torch.equal(one.eval()(x, edge_index), one(x, edge_index))


@pytest.mark.parametrize("cls", ENCODERS)
def test_reset_parameters_draws_all_weights_anew(cls: Any) -> None:
    encoder = rich(cls)
    before = {name: value.clone() for name, value in encoder.named_parameters()}
    encoder.reset_parameters()
    same = [name for name, value in encoder.named_parameters() if value.dim() > 1 and torch.equal(before[name], value)]
    assert not same


@pytest.mark.parametrize("cls", ENCODERS)
def test_state_survives_a_round_trip_and_copies_are_equal(cls: Any, x: Tensor, edge_index: Tensor) -> None:
    encoder = rich(cls)
    other = rich(cls)
    other.reset_parameters()
    other.load_state_dict(encoder.state_dict())
    encoder(x, edge_index)  # Whatever it remembers must neither be shared nor in the way.
    for each in (other, copy.deepcopy(encoder), pickle.loads(pickle.dumps(encoder))):
        assert torch.equal(each(x, edge_index), encoder(x, edge_index))


# ------------------------------------------------------------------------------------------------ parameters

AROUND: dict[str, Any] = {
    "dropout": 0.5,
    "act": "tanh",
    "act_first": True,
    "act_last": True,
    "norm": "layer",
    "residual": True,
    "pre_linear": True,
    "jk": "cat",
    "bias": False,
    "num_layers": 3,
}
ATTENTION: dict[str, Any] = {
    "heads": 3,
    "concat": False,
    "concat_last": True,
    "attention_dropout": 0.5,
    "negative_slope": 0.9,
    "add_self_loops": False,
    "edge_attention": True,
}
# What every parameter is changed to, from its default.
CHANGES: dict[type, dict[str, Any]] = {
    GCN: {**AROUND, "improved": True, "add_self_loops": False, "normalize": False},
    GAT: {**AROUND, **ATTENTION},
    GATv2: {**AROUND, **ATTENTION, "share_weights": True},
    SAGE: {**AROUND, "aggr": "max", "root_weight": False, "project": True, "normalize": True},
    GIN: {**AROUND, "mlp_layers": 3, "eps": 0.5, "train_eps": False},
    MLP: {name: value for name, value in AROUND.items() if name != "pre_linear"},
    SGFormer: {
        "trans_num_layers": 1,
        "trans_num_heads": 2,
        "trans_dropout": 0.5,
        "gnn_num_layers": 1,
        "gnn_dropout": 0.5,
        "graph_weight": 0.1,
        "aggregate": "cat",
    },
    Polynormer: {
        "local_layers": 3,
        "global_layers": 0,
        "dropout": 0.5,
        "global_dropout": 0.5,
        "heads": 2,
        "beta": 0.5,
        "qk_shared": True,
        "pre_ln": True,
        "post_bn": False,
        "local_attn": True,
    },
    H2GCN: {"num_layers": 1, "dropout": 0.5, "act": "tanh", "bias": False},
}
# Without these a change would do nothing: there is no order without a normalisation, nothing to join with one head.
NEEDED: dict[str, dict[str, Any]] = {
    "act_first": {"norm": "batch"},
    "concat": {"heads": 2},
    "concat_last": {"heads": 2},
}


def seen(encoder: Any, *graph: Tensor) -> tuple[list[Any], Tensor]:
    """Names and shapes of the parameters, and the embeddings."""
    torch.manual_seed(1)
    return [(name, p.shape) for name, p in encoder.named_parameters()], encoder(*graph)


@pytest.mark.parametrize("cls", ENCODERS)
def test_every_parameter_has_an_effect(cls: Any, x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    changes = {**CHANGES[cls], "hidden_channels": 7, "out_channels": 3}
    assert {*changes, "in_channels"} == set(inspect.signature(cls).parameters)
    for name, value in changes.items():
        needed = NEEDED.get(name, {})
        parameters, z = seen(build(cls, **needed), x, edge_index, edge_weight)
        changed, changed_z = seen(build(cls, **{**needed, name: value}), x, edge_index, edge_weight)
        differs = parameters != changed or z.shape != changed_z.shape or not torch.allclose(z, changed_z)
        assert differs, f"{name}={value!r} changes nothing"


WRONG: dict[str, Any] = {
    "hidden_channels": 0,
    "out_channels": 0,
    "num_layers": -1,
    "dropout": 1.0,
    "act": "swish",
    "norm": "spectral",
    "jk": "sum",
    "heads": 0,
    "attention_dropout": -0.1,
    "aggr": "median",
    "mlp_layers": 0,
    "trans_num_layers": -1,
    "trans_num_heads": 0,
    "trans_dropout": 1.0,
    "gnn_num_layers": -1,
    "gnn_dropout": 1.0,
    "graph_weight": 1.1,
    "aggregate": "mean",
    "local_layers": 0,
    "global_layers": -1,
    "global_dropout": 1.0,
    "beta": 1.5,
}


@pytest.mark.parametrize("cls", ENCODERS)
def test_annotations_reject_wrong_values_and_accept_the_defaults(cls: Any) -> None:
    for name, declared in inspect.signature(cls, eval_str=True).parameters.items():
        adapter = TypeAdapter(declared.annotation)
        if name != "in_channels":
            assert adapter.validate_python(declared.default) == declared.default
        if name in WRONG:
            with pytest.raises(ValidationError):
                adapter.validate_python(WRONG[name])


@pytest.mark.parametrize("cls", ENCODERS)
def test_the_spec_names_a_wrong_value_and_where_it_is(cls: Any) -> None:
    names = [name for name in inspect.signature(cls).parameters if name in WRONG]
    encoder = {"name": f"eco-gnn:{cls.__name__.lower()}", **{name: WRONG[name] for name in names}}
    with pytest.raises(EcoError) as caught:
        compose(encoder=encoder, head="kmeans", clusters=2)
    message = str(caught.value)
    assert "ECO104" in message
    assert all(f"encoder.{name}" in message for name in names)
