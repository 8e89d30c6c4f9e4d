"""The declarative spec of a run: pydantic models, and their mistakes as sentences. Imports no torch."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Annotated, Any, Literal, Union

import pydantic
from pydantic import BaseModel, ConfigDict, Field

from eco_core.errors import Problem, did_you_mean
from eco_core.protocols import EarlyStopping


class OptimizerSpec(BaseModel):
    """An optimiser of ``torch.optim``.

    Attributes:
        name: Which one.
        lr: Learning rate.
        weight_decay: L2 penalty (decoupled for ``adamw``).
        momentum: Of ``sgd`` and ``rmsprop``; other optimisers have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Literal["adam", "adamw", "sgd", "rmsprop", "adagrad", "nadam", "radam"] = "adam"
    lr: float = Field(default=1e-3, gt=0)
    weight_decay: float = Field(default=0.0, ge=0)
    momentum: float | None = Field(default=None, ge=0, lt=1)

    @pydantic.model_validator(mode="after")
    def _momentum_where_it_exists(self) -> OptimizerSpec:
        if self.momentum is not None and self.name not in ("sgd", "rmsprop"):
            raise ValueError(f"optimizer '{self.name}' has no momentum; use sgd or rmsprop, or leave it out")
        return self


class StageOptions(BaseModel):
    """How one stage of a strategy is trained.

    Attributes:
        epochs: Number of epochs.
        optimizer: The optimiser of the stage.
        patience: Epochs without a lower training loss after which the stage ends early.
        restore_best: Whether the weights of the epoch with the lowest training loss are restored at the end.
        clip_norm: Largest norm of the gradients.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    epochs: int = Field(default=200, ge=0)
    optimizer: OptimizerSpec = OptimizerSpec()
    patience: int | None = Field(default=None, ge=1)
    restore_best: bool = True
    clip_norm: float | None = Field(default=None, gt=0)

    def early_stopping(self) -> EarlyStopping | None:
        """The stage's early stopping, None where neither patience nor the best weights are wanted."""
        if self.patience is None and not self.restore_best:
            return None
        return EarlyStopping(self.patience, restore_best=self.restore_best)


class ComponentSpec(BaseModel):
    """A component's name and its parameters; which parameters it has is known when it is looked up."""

    model_config = ConfigDict(extra="allow")

    name: str


class DataSpec(BaseModel):
    """Which graph, and how it is prepared.

    Attributes:
        name: A registered data set or a path.
        root: Folder of downloaded data sets.
        undirected: Whether missing reverse edges are added.
        normalize_features: ``row`` divides each node's features by their sum.
    """

    model_config = ConfigDict(extra="allow")

    name: str = "digits"
    root: str | None = None
    undirected: bool = True
    normalize_features: Literal["none", "row"] = "none"


class TrainSpec(BaseModel):
    """How the engine runs the stages.

    Attributes:
        batch: What a step sees: ``full``, the whole graph; ``neighbor``, random nodes with their sampled
            neighbourhoods; ``subgraph``, a union of parts of the graph, with all edges among them; ``auto``, the first
            of these that has enough memory.
        batch_size: Nodes of a batch whose embeddings the loss is made of.
        fan_out: Of ``neighbor``: how many neighbours of a node are sampled, for each layer of the encoder; -1: all.
            Default 15 in the first hop and 10 in the others.
        precision: ``32``, or ``bf16-mixed`` for mixed precision.
    """

    model_config = ConfigDict(extra="forbid")

    batch: Literal["full", "neighbor", "subgraph", "auto"] = "full"
    batch_size: int = Field(default=1024, ge=1)
    fan_out: list[Annotated[int, Field(ge=-1)]] | None = Field(default=None, min_length=1)
    precision: Literal["32", "bf16-mixed"] = "32"

    @pydantic.field_validator("fan_out")
    @classmethod
    def _none_of_none(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and 0 in value:
            raise ValueError("a hop of 0 neighbours reaches nothing; give a positive number, or -1 for all")
        return value

    @pydantic.field_validator("precision", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        return "32" if value == 32 else value


class RunSpec(BaseModel):
    """A whole run: data, four parts, number of clusters, training and seed.

    Attributes:
        objective: ``auto`` chooses gae where it is installed and the encoder learns; ``none`` trains without one.
        normalize_embeddings: Whether embeddings are L2-normalised for discrete heads and for k-means initialisation.
        clusters: How many; ``auto`` takes the data set's declared number of classes.
        seed: Of everything random in training.
    """

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    data: DataSpec = DataSpec()
    encoder: ComponentSpec = ComponentSpec(name="identity")
    objective: ComponentSpec | Literal["auto", "none"] = "auto"
    head: ComponentSpec = ComponentSpec(name="kmeans")
    strategy: ComponentSpec = ComponentSpec(name="decoupled")
    normalize_embeddings: bool = True
    clusters: Annotated[int, Field(json_schema_extra={"minimum": 1})] | Literal["auto"] = "auto"
    train: TrainSpec = TrainSpec()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @pydantic.field_validator("clusters", mode="before")
    @classmethod
    def _not_a_truth_value(cls, value: Any) -> Any:
        # YAML's 'yes' and 'on' would be one cluster.
        if isinstance(value, bool):
            raise ValueError("it must be a whole number of 1 or more, or 'auto'")
        return value

    @pydantic.field_validator("clusters")
    @classmethod
    def _at_least_one_cluster(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError("it must be 1 or more, or 'auto'")
        return value


PART_SECTIONS = ("encoder", "objective", "head", "strategy")


def problems_of(error: pydantic.ValidationError, model: type[BaseModel], where: str = "") -> list[Problem]:
    """Turns a pydantic error into problems that name the key, the value and the fix.

    Args:
        error: What validation raised.
        model: The model that was validated.
        where: Dotted prefix of the keys, such as ``"head"``.
    """
    problems: list[Problem] = []
    details = error.errors(include_url=False)
    paths = dict.fromkeys(_path(detail, model) for detail in details)
    for path in paths:
        same = [d for d in details if _path(d, model) == path]
        if isinstance(same[0]["input"], (Mapping, list)) and any(p[: len(path)] == path != p for p in paths):
            continue  # Another branch of a union: this one was meant, and something in it is wrong.
        detail = next((d for d in same if d["type"] not in ("is_instance_of", "callable_type")), same[0])
        key = ".".join(part for part in (where, *path) if part)
        if detail["type"] in ("extra_forbidden", "invalid_key"):
            owner_model = _model_at(model, path[:-1])
            known = parameter_names(owner_model)
            if where == "data" and len(path) == 1:
                known += parameter_names(DataSpec)
            owner = ".".join(part for part in (where, *path[:-1]) if part) or "the spec"
            message = f"{owner} has no parameter '{path[-1]}'."
            fix = did_you_mean(path[-1], known) or "It has no parameters."
            if path[-1] in getattr(owner_model, "provided", ()):
                fix = _PROVIDED_BY.get(path[-1], fix)
            problems.append(Problem("ECO103", message, fix))
        elif detail["type"] == "missing":
            fix = f"Give it in the spec, or with --set {key}=VALUE."
            problems.append(Problem("ECO105", f"{key} is required but not given.", fix))
        else:
            expected = _model_at(model, path)
            meant = [d for d in same if d is detail or d["type"] != "is_instance_of"]
            reasons = list(dict.fromkeys(_reason(d, expected) for d in meant))
            message = f"{key} is {_shown(detail['input'])}: {'; or '.join(reasons)}."
            flag = f"--{key} VALUE" if key in ("clusters", "seed") else f"--set {key}=VALUE"
            problems.append(Problem("ECO104", message, f"Change it, or use {flag}."))
    return problems


_PROVIDED_BY = {
    "in_channels": "The core provides it: the width of the data's features.",
    "n_features": "The core provides it: the width of the embeddings.",
    "n_clusters": "The core provides it: use --clusters K, the key 'clusters' of the spec.",
    "num_nodes": "The core provides it: the size of the graph.",
    "seed": "The core provides it: use --seed, the key 'seed' of the spec.",
    "random_state": "The core provides it: use --seed, the key 'seed' of the spec.",
}


def _reason(detail: Any, expected: type[BaseModel] | None) -> str:
    if detail["type"] == "model_type" and expected is not None:
        return f"it should be a mapping with the keys {', '.join(parameter_names(expected))}"
    reason = detail["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:] if reason[:5] == "Input" else reason


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _path(detail: Any, model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of an error's location, without the tags that pydantic adds for the branches of unions."""
    keys: list[str] = []
    branches: list[Any] = [model]
    tagged = False
    for part in detail["loc"]:
        if not tagged and part != "[key]":
            keys.append(str(part))
            branches = _inside(branches, part)
        tagged = not tagged and len(branches) > 1
    return tuple(keys)


def _inside(allowed: Iterable[Any], key: str | int) -> list[Any]:
    """The types that something may have which is at a key of something of one of some types."""
    for one in allowed:
        if isinstance(one, type) and issubclass(one, BaseModel):
            if str(key) in _fields(one):
                return _branches(_fields(one)[str(key)].annotation)
            continue
        origin, arguments = typing.get_origin(one), typing.get_args(one)
        if not isinstance(origin, type) or not arguments:
            continue
        if issubclass(origin, Mapping):
            return _branches(arguments[-1])
        if issubclass(origin, (Sequence, Set)) and isinstance(key, int):
            return _branches(arguments[0] if arguments[-1] is ... else arguments[min(key, len(arguments) - 1)])
    return []


def _branches(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without None."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Annotated:
        return _branches(arguments[0])
    if origin in (Union, types.UnionType):
        return [branch for one in arguments if one is not types.NoneType for branch in _branches(one)]
    return [annotation]


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {field.alias or name: field for name, field in model.model_fields.items()}


def parameter_names(model: type[BaseModel] | None) -> list[str]:
    """The keys that a model knows."""
    return list(_fields(model))


def _model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    found: list[Any] = [model]
    for key in path:
        found = _inside(found, int(key) if key.isdigit() else key)
    return next((one for one in found if isinstance(one, type) and issubclass(one, BaseModel)), None)


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model within an annotation such as ``Model | None``, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(nested_model, typing.get_args(annotation)) if m is not None), None)
