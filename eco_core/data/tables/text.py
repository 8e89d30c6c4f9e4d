"""Turns texts into numbers: hashed words or letters, weighted by TF-IDF, reduced by a singular value decomposition.

The steps are those of skrub's ``StringEncoder``, made of scikit-learn's parts. What they learn is two arrays, which are
saved without pickle.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

HASHES = 2**15
"""Number of columns that words are hashed to."""

_ROWS = 20_000
"""Number of texts, at most, that the decomposition is learnt from; of more texts, evenly spread ones are taken."""

_CHUNK = 50_000


def analyzer_of(texts: tuple[str, ...]) -> str:
    """``word`` for texts of several words, ``char_wb`` for names and codes, which share parts of words."""
    sample = texts[:: max(1, len(texts) // 2000)]
    return "word" if sum(len(text.split()) for text in sample) >= 3 * len(sample) else "char_wb"


def fit_texts(texts: tuple[str, ...], counts: NDArray[np.int64], width: int, analyzer: str) -> dict[str, NDArray[Any]]:
    """Learns the weights of words and the directions to keep.

    Args:
        texts: The different texts, sorted, so that the order of the table's rows does not matter.
        counts: How often each of them occurs.
        width: How many directions are kept at most.
        analyzer: ``word`` or ``char_wb``.

    Returns:
        ``idf`` (hashes,) and ``components`` (hashes, width), float32. Of the components, the first direction has a
        standard deviation of 1 over the rows of the table.
    """
    from sklearn.utils.extmath import randomized_svd

    hashed = _hashed(texts, analyzer)
    seen = sp.csr_matrix((counts.astype(np.float64), (np.arange(len(texts)), np.arange(len(texts)))))
    documents = np.asarray((seen @ (hashed != 0).astype(np.float64)).sum(axis=0)).ravel()
    idf = (np.log((1 + counts.sum()) / (1 + documents)) + 1).astype(np.float32)
    step = max(1, -(-len(texts) // _ROWS))
    rows = np.arange(0, len(texts), step)
    weighted = _weighted(hashed[rows], idf).multiply(np.sqrt(counts[rows])[:, None]).tocsr()
    used = np.flatnonzero(np.asarray((weighted != 0).sum(axis=0)).ravel())
    components = np.zeros((HASHES, 0), dtype=np.float32)
    if len(used):
        width = max(1, min(width, len(used), len(rows)))
        _, _, directions = randomized_svd(weighted[:, used], width, n_iter=5, random_state=0)
        # The sign of a direction is arbitrary: make its largest entry positive.
        signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)])
        components = np.zeros((HASHES, len(directions)), dtype=np.float32)
        components[used] = (directions * signs[:, None]).T
    arrays = {"idf": idf, "components": components}
    if components.shape[1]:
        encoded = encode_texts(texts, arrays, analyzer).astype(np.float64)
        mean = np.average(encoded, axis=0, weights=counts)
        deviation = np.sqrt(np.average((encoded - mean) ** 2, axis=0, weights=counts).max())
        if deviation > 0:
            arrays["components"] = (components / deviation).astype(np.float32)
    return arrays


def encode_texts(texts: tuple[str, ...], arrays: dict[str, NDArray[Any]], analyzer: str) -> NDArray[np.float32]:
    """Encodes texts as learnt by `fit_texts`: (texts, width), float32. A text without known words is all zeros."""
    out = np.zeros((len(texts), arrays["components"].shape[1]), dtype=np.float32)
    for first in range(0, len(texts), _CHUNK):
        part = texts[first : first + _CHUNK]
        out[first : first + len(part)] = _weighted(_hashed(part, analyzer), arrays["idf"]) @ arrays["components"]
    return out


def _hashed(texts: tuple[str, ...], analyzer: str) -> Any:
    from sklearn.feature_extraction.text import HashingVectorizer

    ngrams = (1, 1) if analyzer == "word" else (3, 4)
    vectorizer = HashingVectorizer(
        n_features=HASHES, analyzer=analyzer, ngram_range=ngrams, norm=None, alternate_sign=False, dtype=np.float32
    )
    return vectorizer.transform(texts).tocsr() if texts else sp.csr_matrix((0, HASHES), dtype=np.float32)


def _weighted(hashed: Any, idf: NDArray[np.float32]) -> Any:
    from sklearn.preprocessing import normalize

    weighted = hashed.copy()
    weighted.data = weighted.data * idf[weighted.indices]
    return normalize(weighted, copy=False)


__all__ = ["HASHES", "analyzer_of", "encode_texts", "fit_texts"]
