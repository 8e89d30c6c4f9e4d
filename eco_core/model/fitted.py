"""The results of a fit as attributes of the model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.engine.history import History
from eco_core.errors import Problem
from eco_core.model.arrays import as_array
from eco_core.model.not_built import NotBuiltError
from eco_core.results.clustering import Clustering
from eco_core.results.notebook import summary_html


class FittedResults:
    """The attributes that end in an underscore; all of them read one `Clustering`.

    Labels, confidence and embeddings are NumPy arrays, which pandas, AnnData and scikit-learn take. `clustering_` has
    them as tensors.
    """

    _clustering: Clustering | None = None
    _history: History | None = None

    @property
    def clustering_(self) -> Clustering:
        """The result of the last `fit`; its labels, confidence and embedding are tensors on the CPU."""
        return self._fitted("clustering_")

    @clustering_.setter
    def clustering_(self, value: Clustering) -> None:
        self._clustering = value

    def forget_results(self) -> None:
        """Drops the results: they belong to parts that are being replaced."""
        self._clustering, self._history = None, None

    def _fitted(self, name: str) -> Clustering:
        if self._clustering is None:
            raise NotBuiltError(
                Problem("ECO208", f"{name} exists only after fit; this composition is not fitted.", "Call fit(data).")
            )
        return self._clustering

    @property
    def labels_(self) -> NDArray[np.int64]:
        """The cluster of every node: array (num_nodes,), int64."""
        return as_array(self._fitted("labels_").labels)

    @property
    def confidence_(self) -> NDArray[np.float32]:
        """The confidence in each node's cluster: array (num_nodes,), float32 in [0, 1]."""
        return as_array(self._fitted("confidence_").confidence)

    @property
    def embedding_(self) -> NDArray[np.float32]:
        """The embeddings: array (num_nodes, width), float32."""
        return as_array(self._fitted("embedding_").embedding)

    @property
    def metrics_(self) -> dict[str, float]:
        """Metrics of the clustering; shares are fractions."""
        return dict(self._fitted("metrics_").metrics)

    @property
    def history_(self) -> History:
        """The history of the training, with one row per epoch; if the last fit failed, the rows until then."""
        if self._clustering is None and self._history is not None:
            return self._history
        return self._fitted("history_").history

    def start_history(self) -> History:
        """Returns an empty history, which `history_` shows from now on, also if the training fails."""
        self._history = History()
        return self._history

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
        model: Any = self
        return list(model.notes_before_a_fit())

    def _repr_html_(self) -> str | None:
        """The summary and the map that a notebook shows; None before `fit`: the notebook then shows the text."""
        if self._clustering is None:
            return None
        plan = self.plan  # type: ignore[attr-defined]
        parts = [part.spec()["name"].rpartition(":")[2] for part in plan.parts.values() if part is not None]
        return summary_html(self._clustering, " + ".join(parts))


__all__ = ["FittedResults"]
