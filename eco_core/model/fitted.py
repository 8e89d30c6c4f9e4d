"""The results of a fit as attributes of the model."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from eco_core.engine.history import History
from eco_core.errors import Problem
from eco_core.model.not_built import NotBuiltError
from eco_core.results.clustering import Clustering
from eco_core.results.notebook import summary_html


class FittedResults:
    """The attributes that end in an underscore; all of them read one `Clustering`."""

    _clustering: Clustering | None = None

    @property
    def clustering_(self) -> Clustering:
        """The result of the last `fit`."""
        return self._fitted("clustering_")

    @clustering_.setter
    def clustering_(self, value: Clustering) -> None:
        self._clustering = value

    def forget_results(self) -> None:
        """Drops the results: they belong to parts that are being replaced."""
        self._clustering = None

    def _fitted(self, name: str) -> Clustering:
        if self._clustering is None:
            raise NotBuiltError(
                Problem("ECO208", f"{name} exists only after fit; this composition is not fitted.", "Call fit(data).")
            )
        return self._clustering

    @property
    def labels_(self) -> Tensor:
        """The cluster of every node: (num_nodes,), int64."""
        return self._fitted("labels_").labels

    @property
    def confidence_(self) -> Tensor:
        """The confidence in each node's cluster: (num_nodes,), float32 in [0, 1]."""
        return self._fitted("confidence_").confidence

    @property
    def embedding_(self) -> Tensor:
        """The embeddings: (num_nodes, width), float32."""
        return self._fitted("embedding_").embedding

    @property
    def metrics_(self) -> dict[str, float]:
        """Metrics of the clustering; shares are fractions."""
        return dict(self._fitted("metrics_").metrics)

    @property
    def history_(self) -> History:
        """The history of the training, with one row per epoch."""
        return self._fitted("history_").history

    @property
    def seconds_(self) -> dict[str, float]:
        """Wall-clock seconds of training and clustering."""
        return {} if self._clustering is None else dict(self._clustering.seconds)

    @property
    def node_ids_(self) -> Sequence[str] | None:
        """The user's own ids of the nodes; None if nodes are numbered from 0."""
        return None if self._clustering is None else self._clustering.node_ids

    @property
    def notes_(self) -> list[str]:
        """Sentences that a user should read, from the plan and from the last build or fit."""
        if self._clustering is not None:
            return list(dict.fromkeys(self._clustering.notes))
        return list(self.notes_before_a_fit())  # type: ignore[attr-defined]

    def _repr_html_(self) -> str | None:
        """The summary and the map that a notebook shows; None before `fit`: the notebook then shows the text."""
        if self._clustering is None:
            return None
        plan = self.plan  # type: ignore[attr-defined]
        parts = [part.spec()["name"].rpartition(":")[2] for part in plan.parts.values() if part is not None]
        return summary_html(self._clustering, " + ".join(parts))


__all__ = ["FittedResults"]
