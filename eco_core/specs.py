"""The declarative spec of a run: pydantic models, and their mistakes as sentences. Imports no torch."""

from __future__ import annotations

import typing
from typing import Any, Literal

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
        batch: ``full``: every step sees the whole graph.
        precision: ``32``, or ``bf16-mixed`` for mixed precision.
    """

    model_config = ConfigDict(extra="forbid", coerce_numbers_to_str=True)

    batch: Literal["full"] = "full"
    precision: Literal["32", "bf16-mixed"] = "32"


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
    clusters: int | Literal["auto"] = Field(default="auto")
    train: TrainSpec = TrainSpec()
    seed: int = Field(default=0, ge=0, lt=2**32)

    @pydantic.field_validator("clusters")
    @classmethod
    def _at_least_one_cluster(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError(f"the number of clusters is {value}; it must be 1 or more, or 'auto'")
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
    for path in dict.fromkeys(_path(detail, model) for detail in details):
        same = [d for d in details if _path(d, model) == path]
        detail = next((d for d in same if d["type"] not in ("is_instance_of", "callable_type")), same[0])
        key = ".".join(part for part in (where, *path) if part)
        if detail["type"] == "extra_forbidden":
            known = parameter_names(_model_at(model, path[:-1]))
            owner = ".".join(part for part in (where, *path[:-1]) if part) or "the spec"
            message = f"{owner} has no parameter '{path[-1]}'."
            problems.append(Problem("ECO103", message, did_you_mean(path[-1], known) or "It has no parameters."))
        elif detail["type"] == "missing":
            fix = f"Give it in the spec, or with --set {key}=VALUE."
            problems.append(Problem("ECO105", f"{key} is required but not given.", fix))
        else:
            reasons = list(dict.fromkeys(_reason(d) for d in same if d is detail or d["type"] != "is_instance_of"))
            message = f"{key} is {_shown(detail['input'])}: {'; or '.join(reasons)}."
            problems.append(Problem("ECO104", message, f"Change it, or use --set {key}=VALUE."))
    return problems


def _reason(detail: Any) -> str:
    reason = detail["msg"].removeprefix("Value error, ")
    return reason[0].lower() + reason[1:] if reason[:5] == "Input" else reason


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _path(detail: Any, model: type[BaseModel]) -> tuple[str, ...]:
    """The keys of an error's location, without the tags that pydantic adds for the branches of unions."""
    keys: list[str] = []
    current: type[BaseModel] | None = model
    for number, part in enumerate(detail["loc"], start=1):
        field = _fields(current).get(str(part))
        if field is not None:
            current = nested_model(field.annotation)
        elif not isinstance(part, int) and (number < len(detail["loc"]) or detail["type"] not in _ABOUT_A_KEY):
            continue
        keys.append(str(part))
    return tuple(keys)


_ABOUT_A_KEY = ("extra_forbidden", "missing")


def _fields(model: type[BaseModel] | None) -> dict[str, Any]:
    return {} if model is None else {field.alias or name: field for name, field in model.model_fields.items()}


def parameter_names(model: type[BaseModel] | None) -> list[str]:
    """The keys that a model knows."""
    return list(_fields(model))


def _model_at(model: type[BaseModel], path: tuple[str, ...]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for key in path:
        field = _fields(current).get(key)
        current = None if field is None else nested_model(field.annotation)
    return current


def nested_model(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model within an annotation such as ``Model | None``, if there is one."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((m for m in map(nested_model, typing.get_args(annotation)) if m is not None), None)
