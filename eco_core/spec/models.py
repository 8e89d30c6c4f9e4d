"""The spec of a run as frozen pydantic models. Imports no torch."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, ConfigDict, Field


class ComponentSpec(BaseModel):
    """A component's name and its parameters. Parameters are checked later, when the component is looked up."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str


class DataSpec(BaseModel):
    """The graph of a run, and how it is prepared.

    Attributes:
        name: A registered data set or a path.
        root: Folder of downloaded data sets.
        undirected: Whether missing reverse edges are added and duplicate edges are merged.
        normalize_features: ``row`` divides each node's features by the sum of their absolute values.
        duplicates: The weight of merged edges: the largest (``max``), the sum or the mean of their weights.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "digits"
    root: str | None = None
    undirected: bool = True
    normalize_features: Literal["none", "row"] = "none"
    duplicates: Literal["max", "sum", "mean"] = "max"


class GraphSpec(BaseModel):
    """Edges that are made from the nodes themselves, where a graph has none or its edges are few.

    Attributes:
        knn: Nearest neighbours that a node is joined with, if the data have no edges: neighbours in space where there
            are coordinates, else in the features. None: 10.
        metric: Distance of features: ``euclidean``, ``cosine``, ``manhattan``; ``auto``: the cosine of sparse features,
            else Euclidean distance. Distances in space are Euclidean.
        radius: Instead of ``knn``: join nodes whose distance is at most this.
        knn_augment: Nearest neighbours in the features that are added to the edges of any graph.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    knn: int | None = Field(default=None, ge=1)
    metric: Literal["auto", "euclidean", "cosine", "manhattan"] = "auto"
    radius: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    knn_augment: int = Field(default=0, ge=0)

    @pydantic.model_validator(mode="after")
    def _one_kind_of_neighbours(self) -> GraphSpec:
        if self.knn is not None and self.radius is not None:
            raise ValueError("it has both knn and radius; give one of the two")
        return self


class TrainSpec(BaseModel):
    """How the engine runs the stages.

    Attributes:
        batch: The input of a training step: ``full``, the whole graph; ``neighbor``, random seed nodes with their
            sampled neighbourhoods; ``subgraph``, groups of nodes with all edges among them; ``auto``, the whole graph
            if training on it fits into memory, else one of the other two.
        batch_size: Number of seed nodes of a mini-batch; the loss is computed from their embeddings.
        fan_out: Number of neighbours of a node that ``neighbor`` samples, one number for each layer of the encoder; -1:
            all. Default 15 in the first hop and 10 in the other hops.
        precision: ``32``, or ``bf16-mixed`` for mixed precision.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch: Literal["full", "neighbor", "subgraph", "auto"] = "full"
    batch_size: int = Field(default=1024, ge=1)
    fan_out: list[Annotated[int, Field(ge=-1)]] | None = Field(default=None, min_length=1)
    precision: Literal["32", "bf16-mixed"] = "32"

    @pydantic.field_validator("fan_out")
    @classmethod
    def _no_empty_hop(cls, value: list[int] | None) -> list[int] | None:
        if value is not None and 0 in value:
            raise ValueError("a hop of 0 neighbours reaches nothing; give a positive number, or -1 for all")
        return value

    @pydantic.field_validator("precision", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        return "32" if value == 32 else value


class RunSpec(BaseModel):
    """A whole run: data, edges made from the nodes, four parts, number of clusters, training and seed.

    Attributes:
        objective: ``auto`` chooses gae if it is installed and the encoder has parameters to train; ``none`` means no
            objective.
        normalize_embeddings: Whether embeddings are L2-normalised for discrete heads and for k-means initialisation.
        clusters: Number of clusters; None takes the number of classes that the data set declares. ``auto`` is reserved
            for a search for the number, which does not exist yet: it is refused if a part needs a number, and has no
            effect if the head finds the number itself.
        seed: The training seed; it seeds all random numbers of training.
        report: Whether a run explains its clusters (``clusters.csv``, ``explanation.json``, ``report.html``). It does
            not change the clusters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    version: Literal[1] = Field(default=1, alias="schema")
    data: DataSpec = DataSpec()
    graph: GraphSpec = GraphSpec()
    encoder: ComponentSpec = ComponentSpec(name="identity")
    objective: ComponentSpec | Literal["auto", "none"] = "auto"
    head: ComponentSpec = ComponentSpec(name="kmeans")
    strategy: ComponentSpec = ComponentSpec(name="decoupled")
    normalize_embeddings: bool = True
    clusters: Annotated[int, Field(json_schema_extra={"minimum": 1})] | Literal["auto"] | None = None
    train: TrainSpec = TrainSpec()
    seed: int = Field(default=0, ge=0, lt=2**32)
    report: bool = True

    @pydantic.field_validator("clusters", mode="before")
    @classmethod
    def _not_a_truth_value(cls, value: Any) -> Any:
        # YAML reads 'yes' and 'on' as True, which pydantic would convert to 1.
        if isinstance(value, bool):
            raise ValueError("it must be a whole number of 1 or more, or 'auto'")
        return value

    @pydantic.field_validator("clusters")
    @classmethod
    def _at_least_one_cluster(cls, value: int | str | None) -> int | str | None:
        if isinstance(value, int) and value < 1:
            raise ValueError("it must be 1 or more, or 'auto'")
        return value


PART_SECTIONS = ("encoder", "objective", "head", "strategy")

IN_MEMORY = "<in memory>"
"""The name, in a data section, of a graph that was given from Python."""
