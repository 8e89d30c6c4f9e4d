"""Turns texts into numbers by static word embeddings: the average of the vectors of a text's words, reduced by an SVD.

The embeddings are loaded by model2vec, from a folder or from the Hugging Face Hub; no network is run over the texts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from eco_core.errors import DataError, Problem


def fit_embedded_texts(
    texts: tuple[str, ...], counts: NDArray[np.int64], width: int, model: str
) -> dict[str, NDArray[Any]]:
    """Learns the directions to keep.

    Args:
        texts: The different texts, sorted, so that the order of the table's rows does not matter.
        counts: How often each of them occurs.
        width: How many directions are kept at most.
        model: The embeddings: a folder, or a name.

    Returns:
        ``mean`` (size,) and ``components`` (size, directions), float32, where size is that of the embeddings. The first
        direction has a standard deviation of 1 over the rows of the table.

    Raises:
        DataError: ECO302, if model2vec is missing or the embeddings cannot be loaded.
    """
    embedded = _embedded(texts, model)
    weights = counts / counts.sum()
    mean = weights @ embedded
    covariance = (embedded - mean).T @ ((embedded - mean) * weights[:, None])
    variances, directions = np.linalg.eigh(covariance)
    kept = np.flatnonzero(variances > 1e-9 * max(variances[-1], 1e-30))[::-1][:width]
    directions = directions[:, kept]
    # The sign of a direction is arbitrary: make its largest entry positive.
    directions *= np.sign(directions[np.abs(directions).argmax(axis=0), np.arange(len(kept))])
    if len(kept):
        directions /= np.sqrt(variances[kept[0]])
    return {"mean": mean.astype(np.float32), "components": directions.astype(np.float32)}


def encode_embedded_texts(texts: tuple[str, ...], arrays: dict[str, NDArray[Any]], model: str) -> NDArray[np.float32]:
    """Encodes texts as learnt by `fit_embedded_texts`: (texts, width), float32.

    Raises:
        DataError: ECO302, if model2vec is missing, or the embeddings cannot be loaded or are others.
    """
    if not texts:
        return np.zeros((0, arrays["components"].shape[1]), dtype=np.float32)
    embedded = _embedded(texts, model)
    if embedded.shape[1] != len(arrays["mean"]):
        raise DataError(
            Problem(
                "ECO302",
                f"The word embeddings {model!r} have {embedded.shape[1]} numbers a word; the model was fitted with "
                f"{len(arrays['mean'])}.",
                "Use the embeddings that the model was fitted with.",
            )
        )
    return ((embedded - arrays["mean"]) @ arrays["components"]).astype(np.float32)


def _embedded(texts: tuple[str, ...], model: str) -> NDArray[np.float64]:
    try:
        from model2vec import StaticModel
    except ImportError:
        raise DataError(
            Problem(
                "ECO302",
                "Encoding texts by word embeddings needs model2vec, which is not installed.",
                "pip install 'eco-core[text]'",
            )
        ) from None
    try:
        loaded = StaticModel.from_pretrained(model)
    except Exception as error:  # The libraries raise many types for files that are missing, damaged or unreachable.
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise DataError(
            Problem(
                "ECO302",
                f"The word embeddings {model!r} cannot be loaded: {lines[0].rstrip('.')}.",
                "Give a folder that model2vec's save_pretrained wrote, or a name on the Hugging Face Hub.",
            )
        ) from error
    return np.asarray(loaded.encode(list(texts), use_multiprocessing=False), dtype=np.float64)


__all__ = ["encode_embedded_texts", "fit_embedded_texts"]
