"""Makes a model of PyAGC from a spec of ECO, with PyAGC's public classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from pyagc import models, transforms
from pyagc.encoders import create_tuned_gnn
from pyagc.models import magi as magi_module
from pyagc.models import s3gc as s3gc_module
from torch import Tensor, nn
from torch_geometric.data import Data

from benchmarks.side_by_side.pyagc_walks import WalkableEdges, uniform_walks

Options = dict[str, Any]
Epoch = Callable[..., float]

_NO_BIAS = "ECO's head has a bias for each cluster, PyAGC's has none"


@dataclass
class Built:
    """A model that is ready to be trained.

    Attributes:
        model: The model.
        data: The graph for the model's methods.
        train_epoch: Trains an epoch; takes the optimiser, the number of the epoch (from 1) and further options of the
            loss, and returns the epoch's loss.
        infer: Returns the embeddings, or the labels for methods with a head.
        notes: The differences from ECO.
    """

    model: Any
    data: Data
    train_epoch: Epoch
    infer: Callable[[], Tensor]
    notes: list[str] = field(default_factory=list)


def build(recipe: str, spec: Options, data: Data) -> Built:
    """Makes PyAGC's model of a recipe, including all computations before the first epoch.

    Args:
        recipe: Name of the recipe.
        spec: Its spec, as ECO resolves it, with the number of clusters.
        data: Dense features and edges.
    """
    return _BUILDERS[recipe](spec, data)


def _full_batch(model: Any, data: Data, notes: list[str] | None = None) -> Built:
    def train_epoch(optimizer: torch.optim.Optimizer, epoch: int, **options: Any) -> float:
        return model.train_full(data, optimizer, epoch, verbose=False, **options)

    return Built(model, data, train_epoch, lambda: model.infer_full(data), notes or [])


# ----------------------------------------------------------------------------------------------------- without training


def _ssgc(spec: Options, data: Data) -> Built:
    encoder = spec["encoder"]
    model = models.SSGC(alpha=encoder["alpha"], K=encoder["K"], add_self_loops=encoder["add_self_loops"])
    return _full_batch(model, data)


def _nafs(spec: Options, data: Data) -> Built:
    options = _without_name(spec["encoder"])
    if options.pop("n_components") is not None:
        raise NotImplementedError("PyAGC's NAFS has no reduced form.")
    return _full_batch(models.NAFS(**options), data)


def _sagsc(spec: Options, data: Data) -> Built:
    encoder = spec["encoder"]
    return _full_batch(models.SAGSC(p=encoder["p"], k=encoder["k"] or spec["clusters"], bias=encoder["bias"]), data)


def _ms2cag(spec: Options, data: Data) -> Built:
    return _full_batch(models.MS2CAG(n_clusters=spec["clusters"], **_without_name(spec["encoder"])), data)


# ------------------------------------------------------------------------------------------ an objective, then k-means


def _gae(spec: Options, data: Data) -> Built:
    return _full_batch(models.GAE(_gnn(spec["encoder"], data)), data)


def _dgi(spec: Options, data: Data) -> Built:
    return _full_batch(models.DGI(_width(spec["encoder"]), _gnn(spec["encoder"], data)), data)


def _ccassg(spec: Options, data: Data) -> Built:
    # PyAGC takes half of the first term of ECO's loss, and so half of the weight of the second.
    lam = spec["objective"]["lam"] / 2
    return _full_batch(models.CCASSG(_gnn(spec["encoder"], data), *_views(spec["objective"]), lam=lam), data)


def _gbt(spec: Options, data: Data) -> Built:
    lam = spec["objective"]["lam"]
    return _full_batch(models.GBT(_gnn(spec["encoder"], data), *_views(spec["objective"]), lam=lam), data)


def _ns4gc(spec: Options, data: Data) -> Built:
    objective = spec["objective"]
    weights = {key: objective[key] for key in ("s", "tau", "lam", "gam")}
    return _full_batch(models.NS4GC(_gnn(spec["encoder"], data), *_views(objective), **weights), data)


def _magi(spec: Options, data: Data) -> Built:
    objective = spec["objective"]
    magi_module.SparseTensor = WalkableEdges
    pairs = magi_module.precompute_full_graph_positive_pairs(data, objective["num_walks"], objective["walk_length"])
    with_pairs = Data(x=data.x, edge_index=data.edge_index, pos_pairs=pairs)
    model = models.MAGI(
        _gnn(spec["encoder"], data), tau=objective["tau"], scale_embeddings=objective["scale_embeddings"]
    )
    return _full_batch(model, with_pairs, ["PyAGC walks with a stand-in for torch-sparse"])


def _s3gc(spec: Options, data: Data) -> Built:
    encoder, objective = spec["encoder"], spec["objective"]
    _require(encoder, normalize=True, table_rank=None)
    s3gc_module.WITH_PYG_LIB = True
    torch.ops.pyg.random_walk = uniform_walks  # type: ignore[attr-defined]
    diffusion = {"alpha": encoder["alpha"]} if encoder["diffusion"] == "ppr" else {"t": encoder["heat_t"]}
    features = s3gc_module.precompute_features(
        data.x,
        data.edge_index,
        data.num_nodes,
        method=encoder["diffusion"],
        k_hop=encoder["k_hop"],
        verbose=False,
        **diffusion,
    )
    model = models.S3GC(
        data.edge_index,
        data.num_nodes,
        data.num_features,
        encoder["hidden_channels"],
        walk_length=objective["walk_length"],
        context_size=objective["walk_length"],
        walks_per_node=objective["walks_per_node"],
        num_negative_samples=objective["num_negative_samples"],
        p=objective["p"],
        q=objective["q"],
        scale=encoder["scale"],
    )
    model.set_precomputed_features(*features)
    loader = model.loader(batch_size=objective["batch_size"] or data.num_nodes, shuffle=True)

    def train_epoch(optimizer: torch.optim.Optimizer, epoch: int) -> float:
        return model.train_epoch(loader, optimizer, epoch, verbose=False)

    def infer() -> Tensor:
        # The base class's ``infer_full`` passes features to ``embed``, but this model's ``embed`` takes none.
        model.eval()
        with torch.no_grad():
            return model.embed()

    return Built(model, data, train_epoch, infer, ["PyAGC walks with a stand-in for pyg-lib"])


# -------------------------------------------------------------------------------------------------- trained with a head


def _daegc(spec: Options, data: Data) -> Built:
    encoder, head = spec["encoder"], spec["head"]
    _require(head, alpha=1.0)
    model = models.DAEGC(
        _gnn(encoder, data),
        spec["clusters"],
        _width(encoder),
        gamma=spec["strategy"]["head_weight"],
        update_interval=head["update_interval"],
    )
    notes = []
    if encoder["heads"] > 1:
        notes.append(f"PyAGC's GAT has one head of width {_width(encoder)}, ECO's {encoder['heads']} concatenated ones")
    return _full_batch(model, data, notes)


def _dinknet(spec: Options, data: Data) -> Built:
    objective, width = spec["objective"], _width(spec["encoder"])
    _require(objective, corruption="shuffle_nodes", feature_dropout=0.0, power=0)
    _require(spec["head"], normalize=True)
    hidden = [layer for _ in range(objective["projector_layers"] - 1) for layer in (nn.Linear(width, width), nn.ReLU())]
    model = models.DinkNet(
        _gnn(spec["encoder"], data),
        nn.Sequential(*hidden, nn.Linear(width, width)),
        spec["clusters"],
        width,
        alpha=1 / spec["strategy"]["head_weight"],
    )
    return _full_batch(model, data)


def _mincut(spec: Options, data: Data) -> Built:
    head = spec["head"]
    _require(head, squared=True)
    encoder = _gnn(spec["encoder"], data)
    model = models.MinCut(
        encoder, _width(spec["encoder"]), spec["clusters"], lam=head["lam"], temperature=head["temperature"]
    )
    return _full_batch(model, data, [_NO_BIAS])


def _dmon(spec: Options, data: Data) -> Built:
    encoder = _gnn(spec["encoder"], data)
    model = models.DMoN(encoder, _width(spec["encoder"]), spec["clusters"], lam=spec["head"]["lam"])
    return _full_batch(model, data, [_NO_BIAS])


def _neuromap(spec: Options, data: Data) -> Built:
    encoder = _gnn(spec["encoder"], data)
    options = _without_name(spec["head"])
    model = models.Neuromap(encoder, _width(spec["encoder"]), spec["clusters"], **options)
    return _full_batch(model, data, [_NO_BIAS])


# ------------------------------------------------------------------------------------------------------------ the parts


def _gnn(encoder: Options, data: Data) -> nn.Module:
    """Makes PyAGC's encoder. PyAGC does not pass options to the layers, so these must be PyG's defaults."""
    _require(encoder, bias=True, add_self_loops=True)
    if encoder["name"] == "gcn":
        _require(encoder, improved=False, normalize=True)
    hidden, width = _hidden_width(encoder), _width(encoder)
    return create_tuned_gnn(
        encoder["name"],
        data.num_features,
        hidden,
        encoder["num_layers"],
        out_channels=None if width == hidden else width,
        dropout=encoder["dropout"],
        act=_or_none(encoder["act"]),
        act_first=encoder["act_first"],
        act_last=encoder["act_last"],
        norm=None if encoder["norm"] == "none" else f"{encoder['norm']}_norm",
        residual=encoder["residual"],
        pre_linear=encoder["pre_linear"],
        jk=encoder["jk"],
    )


def _hidden_width(encoder: Options) -> int:
    return encoder["hidden_channels"] * (encoder["heads"] if encoder.get("concat") else 1)


def _width(encoder: Options) -> int:
    """Returns the width of the embeddings."""
    each = encoder["out_channels"] or encoder["hidden_channels"]
    return each * (encoder["heads"] if encoder.get("concat_last") else 1)


def _views(objective: Options) -> list[Callable[..., Any]]:
    return [_view(objective["transform1"]), _view(objective["transform2"])]


def _view(options: Options) -> Callable[..., Any]:
    """Makes PyAGC's transform of a view: `GSSLTransform` masks single entries, `RandomMaskFeat` whole columns."""
    _require(options, noise_std=0.0, shuffle_features=False)
    p_feat_mask, p_edge_drop = options["p_feat_mask"], options["p_edge_drop"]
    if options["feat_mask_mode"] == "entries":
        return transforms.GSSLTransform(p_feat_mask=p_feat_mask, p_edge_drop=p_edge_drop)
    mask, drop = transforms.RandomMaskFeat(p_feat_mask), transforms.RandomDropEdge(p_edge_drop)

    def columns(x: Tensor, edge_index: Tensor) -> dict[str, Tensor]:
        view = mask(Data(x=x))
        return {"x": view.x, "edge_index": drop(Data(edge_index=edge_index)).edge_index}

    return columns


def _require(options: Options, **values: Any) -> None:
    """Raises an error for options that PyAGC does not have."""
    for key, value in values.items():
        if options[key] != value:
            raise NotImplementedError(f"PyAGC has no {key}={options[key]!r} for {options.get('name', 'views')}.")


def _without_name(options: Options) -> Options:
    return {key: value for key, value in options.items() if key != "name"}


def _or_none(value: str) -> str | None:
    return None if value == "none" else value


_BUILDERS: dict[str, Callable[[Options, Data], Built]] = {
    "ssgc": _ssgc,
    "nafs": _nafs,
    "sagsc": _sagsc,
    "ms2cag": _ms2cag,
    "gae": _gae,
    "dgi": _dgi,
    "ccassg": _ccassg,
    "gbt": _gbt,
    "s3gc": _s3gc,
    "ns4gc": _ns4gc,
    "magi": _magi,
    "daegc": _daegc,
    "dinknet": _dinknet,
    "mincut": _mincut,
    "dmon": _dmon,
    "neuromap": _neuromap,
}
