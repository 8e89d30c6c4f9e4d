"""What each layer computes: the published formulas, and PyG's own layers."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from eco_gnn import GAT, GCN, GIN, H2GCN, MLP, SAGE, GATv2, Polynormer, SGFormer
from eco_gnn.gcn import SparseGCNConv, gcn_matrix
from eco_gnn.h2gcn import distance_two_matrix
from eco_gnn.polynormer import KernelAttention
from eco_gnn.sgformer import SimpleAttention
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch_geometric.nn import GATConv, GATv2Conv, GCNConv, GINConv, SAGEConv

NODES, FEATURES = 12, 6
SMALL: dict[str, Any] = {"in_channels": FEATURES, "hidden_channels": 5}


def build(cls: type, **parameters: Any) -> Any:
    torch.manual_seed(0)
    return cls(**{**SMALL, **parameters})


def same_parameters(reference: nn.Module, layer: nn.Module) -> Any:
    reference.load_state_dict(layer.state_dict())
    return reference


def dense_gcn_matrix(edge_index: Tensor, weight: Tensor, loop: float) -> Tensor:
    adjacency = torch.zeros(NODES, NODES, dtype=weight.dtype)
    adjacency.index_put_((edge_index[1], edge_index[0]), weight, accumulate=True)
    adjacency += loop * torch.eye(NODES, dtype=weight.dtype)
    scale = adjacency.sum(dim=1).clamp(min=1e-300).pow(-0.5)
    return scale[:, None] * adjacency * scale[None, :]


@pytest.fixture
def counts(edge_index: Tensor) -> Tensor:
    """Whole weights: an edge of weight 3 is three edges to layers that know no weights."""
    return torch.randint(1, 4, (edge_index.size(1),), generator=torch.Generator().manual_seed(4))


# ------------------------------------------------------------------------------------------------ PyG's layers


def test_gcn_is_pygs_layer_on_a_weighted_graph(x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    encoder = build(GCN, num_layers=1)
    reference = same_parameters(GCNConv(FEATURES, 5), encoder.convolutions[0])
    torch.testing.assert_close(encoder(x, edge_index, edge_weight), reference(x, edge_index, edge_weight))


@pytest.mark.parametrize(("cls", "conv"), [(GAT, GATConv), (GATv2, GATv2Conv)])
@pytest.mark.parametrize("options", [{}, {"negative_slope": 0.7, "add_self_loops": False}, {"bias": False}])
def test_attention_is_pygs_layer_on_a_weighted_graph(
    cls: Any, conv: Any, options: dict[str, Any], x: Tensor, edge_index: Tensor, edge_weight: Tensor
) -> None:
    encoder = build(cls, num_layers=1, heads=3, concat_last=True, edge_attention=True, **options)
    reference = same_parameters(conv(FEATURES, 5, heads=3, edge_dim=1, **options), encoder.convolutions[0])
    torch.testing.assert_close(encoder(x, edge_index, edge_weight), reference(x, edge_index, edge_weight[:, None]))


@pytest.mark.parametrize("sparse", [False, True])
def test_gatv2_shares_its_weights_where_asked(sparse: bool, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GATv2, num_layers=1, share_weights=True)
    layer = encoder.convolutions[0]
    assert layer.lin_l is layer.lin_r
    reference = same_parameters(GATv2Conv(FEATURES, 5, share_weights=True, concat=False), layer)
    torch.testing.assert_close(encoder(x.to_sparse() if sparse else x, edge_index), reference(x, edge_index))


@pytest.mark.parametrize("aggr", ["mean", "sum", "max"])
@pytest.mark.parametrize("options", [{}, {"project": True}, {"normalize": True}, {"root_weight": False, "bias": False}])
def test_sage_is_pygs_layer(aggr: str, options: dict[str, Any], x: Tensor, edge_index: Tensor, counts: Tensor) -> None:
    encoder = build(SAGE, num_layers=1, aggr=aggr, **options)
    reference = same_parameters(SAGEConv(FEATURES, 5, aggr=aggr, **options), encoder.convolutions[0])
    torch.testing.assert_close(encoder(x, edge_index), reference(x, edge_index))
    repeated = edge_index.repeat_interleave(counts, dim=1)
    torch.testing.assert_close(encoder(x, edge_index, counts), reference(x, repeated))
    torch.testing.assert_close(encoder(x, repeated), reference(x, repeated))


def test_sage_takes_a_mean_of_weighted_neighbours(x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    encoder = build(SAGE, num_layers=1, root_weight=False, bias=False)
    adjacency = torch.zeros(NODES, NODES).index_put_((edge_index[1], edge_index[0]), edge_weight)
    mean = adjacency / adjacency.sum(dim=1, keepdim=True) @ x
    expected = mean @ encoder.convolutions[0].lin_l.weight.t()
    torch.testing.assert_close(encoder(x, edge_index, edge_weight), expected)
    torch.testing.assert_close(encoder(x, edge_index, 7 * edge_weight), expected)


def test_sage_finds_nothing_in_edges_that_weigh_nothing(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(SAGE, num_layers=1, root_weight=False, bias=False)
    assert encoder(x, edge_index, torch.zeros(edge_index.size(1))).abs().sum() == 0


def test_sage_maximum_ignores_weights(x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    encoder = build(SAGE, aggr="max")
    assert torch.equal(encoder(x, edge_index, edge_weight), encoder(x, edge_index))


def test_sage_names_an_unknown_aggregation_and_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"aggr is 'median'.*'mean', 'sum' or 'max'"):
        build(SAGE, aggr="median")


@pytest.mark.parametrize("options", [{}, {"mlp_layers": 3, "norm": "batch"}, {"mlp_layers": 1, "bias": False}])
@pytest.mark.parametrize("act_first", [False, True])
def test_gin_is_pygs_layer(
    options: dict[str, Any], act_first: bool, x: Tensor, edge_index: Tensor, counts: Tensor
) -> None:
    encoder = build(GIN, num_layers=1, eps=0.3, act_first=act_first, **options)
    layer = encoder.convolutions[0]
    reference = same_parameters(GINConv(copy.deepcopy(layer.nn), train_eps=True), layer)
    torch.testing.assert_close(encoder(x, edge_index), reference(x, edge_index))
    repeated = edge_index.repeat_interleave(counts, dim=1)
    torch.testing.assert_close(encoder(x, edge_index, counts), reference(x, repeated))


@pytest.mark.parametrize("act_first", [False, True])
def test_gin_has_norm_and_activation_between_its_linear_layers(act_first: bool) -> None:
    layer = build(GIN, mlp_layers=2, norm="layer", act="tanh", act_first=act_first).convolutions[0]
    names = [type(step).__name__ for step in layer.nn]
    between = ["Tanh", "LayerNorm"] if act_first else ["LayerNorm", "Tanh"]
    assert names == ["SparseInputLinear", *between, "Linear"]


@pytest.mark.parametrize("train_eps", [False, True])
def test_gin_learns_epsilon_where_asked(train_eps: bool, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GIN, eps=0.5, train_eps=train_eps)
    assert [float(layer.eps.detach()) for layer in encoder.convolutions] == [0.5, 0.5]
    encoder(x, edge_index).square().sum().backward()
    learned = [layer.eps.grad is not None and bool(layer.eps.grad != 0) for layer in encoder.convolutions]
    assert learned == [train_eps, train_eps]


def test_mlp_is_its_formula(x: Tensor) -> None:
    encoder = build(MLP)
    first, second = encoder.convolutions
    hidden = torch.relu(x @ first.weight.t() + first.bias)
    torch.testing.assert_close(encoder(x), hidden @ second.weight.t() + second.bias)


# ------------------------------------------------------------------------------------------------ SGFormer


@pytest.mark.parametrize("heads", [1, 5])
def test_simple_attention_is_pygs(heads: int, x: Tensor) -> None:
    attention = pytest.importorskip("torch_geometric.nn.attention")
    layer = SimpleAttention(5, heads)
    if not hasattr(attention, "SGFormerAttention"):
        pytest.skip("this PyG has no SGFormer yet")
    reference = same_parameters(attention.SGFormerAttention(5, heads, head_channels=5), layer)
    torch.testing.assert_close(layer(x[:, :5]), reference(x[None, :, :5])[0])


@pytest.mark.parametrize("aggregate", ["add", "cat"])
def test_sgformer_is_pygs_model_before_its_softmax(aggregate: Any, x: Tensor, edge_index: Tensor) -> None:
    models = pytest.importorskip("torch_geometric.nn.models.sgformer", reason="this PyG has no SGFormer yet")
    encoder = build(SGFormer, out_channels=3, graph_weight=0.3, aggregate=aggregate)
    reference = models.SGFormer(FEATURES, 5, 3, graph_weight=0.3, aggregate=aggregate, trans_dropout=0, gnn_dropout=0)
    attending, convolving = reference.trans_conv, reference.graph_conv
    same_parameters(attending.fcs[0], encoder.trans_lin)
    same_parameters(convolving.fcs[0], encoder.gnn_lin)
    same_parameters(reference.fc, encoder.lin)
    pairs = [
        *zip(attending.attns, encoder.attentions, strict=True),
        *zip(convolving.convs, encoder.convolutions, strict=True),
    ]
    for theirs, ours in pairs:
        same_parameters(theirs, ours)
    expected = reference(x, edge_index, torch.zeros(NODES, dtype=torch.long))
    torch.testing.assert_close(encoder(x, edge_index).log_softmax(dim=1), expected)


def test_sgformer_weighs_its_branches(x: Tensor, edge_index: Tensor) -> None:
    """With all the weight on one branch, the graph or the other nodes do not matter."""
    attending = build(SGFormer, graph_weight=0.0)
    assert torch.equal(attending(x, edge_index), attending(x, edge_index[:, :4]))
    convolving = build(SGFormer, graph_weight=1.0).eval()
    inner = edge_index[:, (edge_index < NODES - 1).all(dim=0)]
    alone = convolving(x[-1:], torch.empty(2, 0, dtype=torch.long))
    torch.testing.assert_close(convolving(x, inner)[-1:], alone)
    with pytest.raises(ValueError, match=r"aggregate is 'mean'.*'add' or 'cat'"):
        build(SGFormer, aggregate="mean")


def test_attention_is_finite_where_all_keys_are_opposite_to_the_query() -> None:
    layer = SimpleAttention(1, 1)
    with torch.no_grad():
        layer.q.weight.fill_(1)
        layer.k.weight.fill_(-1)
    assert layer(torch.ones(3, 1)).isfinite().all()


# ------------------------------------------------------------------------------------------------ Polynormer


@pytest.mark.parametrize("qk_shared", [False, True])
@pytest.mark.parametrize("heads", [1, 2])
def test_kernel_attention_is_pygs(heads: int, qk_shared: bool, x: Tensor) -> None:
    attention = pytest.importorskip("torch_geometric.nn.attention")
    if not hasattr(attention, "PolynormerAttention"):
        pytest.skip("this PyG has no Polynormer yet")
    layer = KernelAttention(heads, FEATURES // heads, beta=0.8, qk_shared=qk_shared, dropout=0.0)
    reference = attention.PolynormerAttention(FEATURES, heads, FEATURES // heads, beta=0.8, qk_shared=qk_shared)
    copy_attention(reference, layer)
    torch.testing.assert_close(layer(x), reference(x[None])[0])


def copy_attention(theirs: Any, ours: Any) -> None:
    pairs = [(theirs.h_lins, ours.gate), (theirs.k, ours.k), (theirs.v, ours.v), (theirs.lin_out, ours.lin)]
    for their, our in [*pairs, *([] if ours.q is None else [(theirs.q, ours.q)])]:
        same_parameters(their, our)


@pytest.mark.parametrize("options", [{}, {"local_attn": True, "pre_ln": True}, {"post_bn": False, "qk_shared": True}])
@pytest.mark.parametrize("global_layers", [0, 2])
def test_polynormer_is_pygs_model_before_its_softmax(
    global_layers: int, options: dict[str, Any], x: Tensor, edge_index: Tensor
) -> None:
    models = pytest.importorskip("torch_geometric.nn.models.polynormer", reason="this PyG has no Polynormer yet")
    encoder = build(Polynormer, hidden_channels=6, local_layers=3, global_layers=global_layers, beta=0.8, **options)
    with torch.no_grad():  # PyG's begins with a convolution.
        encoder.lin_in.weight.copy_(torch.eye(6))
        encoder.lin_in.bias.zero_()
    none = {"in_dropout": 0, "dropout": 0, "global_dropout": 0}
    reference = models.Polynormer(6, 6, 6, local_layers=3, global_layers=global_layers, beta=0.8, **none, **options)
    for number, layer in enumerate(encoder.locals):
        same_parameters(reference.local_convs[number], layer.convolution)
        same_parameters(reference.h_lins[number], layer.gate)
        same_parameters(reference.lins[number], layer.lin)
    for theirs, ours in zip(reference.global_attn, encoder.globals, strict=True):
        copy_attention(theirs, ours)
    same_parameters(reference.pred_global if global_layers else reference.pred_local, encoder.lin)
    reference._global = global_layers > 0
    expected = reference(x, edge_index, torch.zeros(NODES, dtype=torch.long))
    torch.testing.assert_close(encoder(x, edge_index).log_softmax(dim=1), expected)


def test_polynormer_attends_to_nodes_that_are_not_linked(x: Tensor) -> None:
    nothing = torch.empty(2, 0, dtype=torch.long)
    for layers, matters in [(0, False), (1, True)]:
        encoder = build(Polynormer, local_layers=1, global_layers=layers, post_bn=False)
        assert torch.allclose(encoder(x, nothing)[:4], encoder(x[:4], nothing)) is not matters


# ------------------------------------------------------------------------------------------------ H2GCN


def dense_distances(edge_index: Tensor, nodes: int) -> Tensor:
    """Which pairs, targets by sources, are at distance two exactly."""
    linked = torch.zeros(nodes, nodes, dtype=torch.bool)
    linked[edge_index[1], edge_index[0]] = True
    paths = (linked.double() @ linked.double()) > 0
    return paths & ~linked & ~torch.eye(nodes, dtype=torch.bool)


def normalised(matrix: Tensor) -> Tensor:
    degree = matrix.sum(dim=1)
    scale = torch.where(degree > 0, degree.clamp(min=1e-300).pow(-0.5), 0)
    return scale[:, None] * matrix * scale[None, :]


@given(seed=st.integers(0, 1000), nodes=st.integers(1, 9), edges=st.integers(0, 25))
@settings(max_examples=40, deadline=None)
def test_pairs_at_distance_two_are_neither_linked_nor_the_same(seed: int, nodes: int, edges: int) -> None:
    edge_index = torch.randint(nodes, (2, edges), generator=torch.Generator().manual_seed(seed))
    expected = normalised(dense_distances(edge_index, nodes).double())
    torch.testing.assert_close(distance_two_matrix(edge_index, nodes, torch.double).to_dense(), expected)


def test_h2gcn_is_the_published_formula(x: Tensor, edge_index: Tensor, edge_weight: Tensor) -> None:
    loops = torch.arange(3).expand(2, -1)  # The neighbours of a node do not include it.
    edges, weight = torch.cat([edge_index, loops], dim=1), torch.cat([edge_weight, torch.ones(3)])
    one = torch.zeros(NODES, NODES).index_put_((edge_index[1], edge_index[0]), edge_weight)
    two = dense_distances(edge_index, NODES).float()
    assert two.sum() > 0
    encoder = build(H2GCN)
    rounds = [torch.relu(x @ encoder.lin_in.weight.t() + encoder.lin_in.bias)]
    for _ in range(2):
        rounds.append(torch.cat([normalised(one) @ rounds[-1], normalised(two) @ rounds[-1]], dim=1))
    torch.testing.assert_close(encoder(x, edges, weight), encoder.lin(torch.cat(rounds, dim=1)))


def test_h2gcn_computes_the_pairs_at_distance_two_once_for_a_prepared_graph(
    x: Tensor, edge_index: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed: list[int] = []

    def counting(edges: Tensor, *others: Any) -> Any:
        computed.append(edges.size(1))
        return distance_two_matrix(edges, *others)

    monkeypatch.setattr("eco_gnn.h2gcn.distance_two_matrix", counting)
    encoder, edges = build(H2GCN), edge_index.clone()
    prepared = encoder.prepare(None, x, edges)["prepared"]
    first = encoder(x, edges, prepared=prepared)
    assert torch.equal(encoder(x, edges, prepared=prepared), first)
    assert len(computed) == 1
    assert torch.equal(encoder(x, edges.clone(), prepared=prepared), first)
    assert len(computed) == 2
    edges[1, :6] = 0
    changed = encoder(x, edges, prepared=prepared)
    assert len(computed) == 3
    torch.testing.assert_close(changed, encoder(x, edges))
    assert not torch.allclose(changed, first)


# ------------------------------------------------------------------------------------------------------------- GCN


@pytest.mark.parametrize(("improved", "loop"), [(False, 1.0), (True, 2.0)])
def test_gcn_is_the_published_formula(improved: bool, loop: float, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, improved=improved).double()
    matrix = dense_gcn_matrix(edge_index, torch.ones(edge_index.size(1), dtype=torch.double), loop)
    first, second = encoder.convolutions
    hidden = torch.relu(matrix @ x.double() @ first.lin.weight.t() + first.bias)
    expected = matrix @ hidden @ second.lin.weight.t() + second.bias
    torch.testing.assert_close(encoder(x.double(), edge_index), expected)


def test_gcn_uses_edge_weights_and_adds_up_parallel_edges(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, num_layers=1)
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(3))
    matrix = dense_gcn_matrix(edge_index, weight, 1.0)
    expected = matrix @ x @ encoder.convolutions[0].lin.weight.t()
    torch.testing.assert_close(encoder(x, edge_index, weight), expected)
    doubled = torch.cat([edge_index, edge_index], dim=1)
    halves = torch.cat([0.3 * weight, 0.7 * weight])
    torch.testing.assert_close(encoder(x, doubled, halves), expected)
    assert not torch.allclose(encoder(x, edge_index), expected)


def test_gcn_gives_gradients_to_edge_weights(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, hidden_channels=2, act="tanh").double()
    weight = torch.linspace(0.5, 1.5, edge_index.size(1), dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda w: encoder(x.double(), edge_index, w), (weight,))


def test_gcn_sends_features_along_the_direction_of_edges(x: Tensor) -> None:
    z = build(GCN, num_layers=1, normalize=False, add_self_loops=False)(x, torch.tensor([[0], [1]]))
    assert z[1].abs().sum() > 0
    assert z[0].abs().sum() == 0


@pytest.mark.parametrize("add_self_loops", [False, True])
def test_gcn_without_normalisation_sums_neighbours(add_self_loops: bool, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GCN, num_layers=1, normalize=False, add_self_loops=add_self_loops)
    total = torch.zeros_like(x).index_add_(0, edge_index[1], x[edge_index[0]])
    if add_self_loops:
        total = total + x
    torch.testing.assert_close(encoder(x, edge_index), total @ encoder.convolutions[0].lin.weight.t())


def test_gcn_without_self_loops_gives_an_isolated_node_nothing(x: Tensor) -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    z = build(GCN, num_layers=1, add_self_loops=False)(x, edges)
    assert z[2:].abs().sum() == 0
    assert build(GCN, num_layers=1)(x, edges)[2:].abs().sum() > 0


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10))
@settings(max_examples=20, deadline=None)
def test_gcn_layer_is_linear_in_the_features(seed: int, scale: float) -> None:
    generator = torch.Generator().manual_seed(seed)
    one, two = torch.randn(2, NODES, FEATURES, generator=generator, dtype=torch.double)
    edges = torch.randint(NODES, (2, 20), generator=generator)
    encoder = build(GCN, num_layers=1, bias=False).double()
    torch.testing.assert_close(encoder(one + scale * two, edges), encoder(one, edges) + scale * encoder(two, edges))


# ------------------------------------------------------------------------------------------------------------- GAT


def attention(x: Tensor, edge_index: Tensor, layer: Any, slope: float) -> list[Tensor]:
    """The output of each head, from the definition."""
    linked = torch.eye(NODES, dtype=torch.bool)
    linked[edge_index[1], edge_index[0]] = True
    outputs = []
    for head, weight in enumerate(layer.lin.weight.view(layer.heads, layer.out_channels, -1)):
        h = x @ weight.t()
        scores = (h @ layer.att_dst[0, head])[:, None] + (h @ layer.att_src[0, head])[None, :]
        scores = torch.nn.functional.leaky_relu(scores, slope).masked_fill(~linked, -torch.inf)
        outputs.append(scores.softmax(dim=1) @ h)
    return outputs


@pytest.mark.parametrize("slope", [0.2, 0.9])
def test_gat_is_the_published_formula(slope: float, x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GAT, heads=3, negative_slope=slope, out_channels=4).double()
    first, second = encoder.convolutions
    hidden = torch.nn.functional.elu(torch.cat(attention(x.double(), edge_index, first, slope), dim=1))
    expected = torch.stack(attention(hidden, edge_index, second, slope)).mean(dim=0)
    torch.testing.assert_close(encoder(x.double(), edge_index), expected)


@pytest.mark.parametrize(
    ("concat", "concat_last", "hidden", "out"), [(True, False, 15, 4), (True, True, 15, 12), (False, False, 5, 4)]
)
def test_heads_are_joined_or_averaged(
    concat: bool, concat_last: bool, hidden: int, out: int, x: Tensor, edge_index: Tensor
) -> None:
    encoder = build(GAT, heads=3, concat=concat, concat_last=concat_last, out_channels=4)
    assert encoder.convolutions[0].lin.weight.shape == (15, FEATURES)
    assert encoder.convolutions[1].in_channels == hidden
    assert encoder(x, edge_index).shape == (NODES, out)
    assert encoder.out_channels == out


def test_attention_dropout_acts_in_training_only(x: Tensor, edge_index: Tensor) -> None:
    encoder = build(GAT, num_layers=1, attention_dropout=0.5)
    assert not torch.equal(encoder(x, edge_index), encoder(x, edge_index))
    assert torch.equal(encoder.eval()(x, edge_index), build(GAT, num_layers=1)(x, edge_index))


def test_edge_weights_enter_with_edge_attention_only(x: Tensor, edge_index: Tensor) -> None:
    weight = torch.rand(edge_index.size(1), generator=torch.Generator().manual_seed(3))
    ignoring = build(GAT)
    assert torch.equal(ignoring(x, edge_index, weight), ignoring(x, edge_index))
    using = build(GAT, edge_attention=True)
    assert not torch.allclose(using(x, edge_index, weight), using(x, edge_index))
    ones = torch.ones(edge_index.size(1))
    torch.testing.assert_close(using(x, edge_index, ones), using(x, edge_index))


def test_gat_without_self_loops_gives_an_isolated_node_nothing(x: Tensor) -> None:
    edges = torch.tensor([[0, 1], [1, 0]])
    z = build(GAT, num_layers=1, add_self_loops=False)(x, edges)
    assert z[2:].abs().sum() == 0
    assert build(GAT, num_layers=1)(x, edges)[2:].abs().sum() > 0


@pytest.mark.parametrize("bias", [True, False])
def test_gcn_in_panels_of_columns_infers_the_same(bias: bool) -> None:
    torch.manual_seed(0)
    layer = SparseGCNConv(50, 40, bias=bias, large=0)
    if layer.bias is not None:
        torch.nn.init.normal_(layer.bias)
    x, edge_index = torch.randn(9, 50), torch.randint(9, (2, 30))
    adjacency = gcn_matrix(edge_index, torch.ones(30), 9)
    whole = layer(x, adjacency)
    assert whole.requires_grad
    with torch.no_grad():
        in_panels = layer(x, adjacency)
    torch.testing.assert_close(in_panels, whole.detach())
