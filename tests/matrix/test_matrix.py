"""Every combination of installed parts passes the check or is refused with codes; those that pass train.

The default run trains a few combinations chosen so that every pair of parts that can meet does meet; with the
environment variable ``ECO_FULL_MATRIX=1`` (``nox -s matrix``) all of them train.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch_geometric.data import Data

from eco_core import compose
from eco_core.errors import CompositionError
from eco_core.parts.heads import is_differentiable
from eco_core.plan.plan import make_plan
from eco_core.registry.registry import Registry
from eco_core.spec.assemble import assemble
from tests.graphs import blocks

REGISTRY = Registry.discover()
FULL = os.environ.get("ECO_FULL_MATRIX", "") not in ("", "0")


class Parts(NamedTuple):
    """One composition, by qualified names."""

    encoder: str
    head: str
    objective: str
    strategy: str

    def __str__(self) -> str:
        return " + ".join(self)


# Parts whose library is an optional extra, which not every environment has.
NEEDS = {"eco-nonparametric:leiden": "leidenalg", "eco-nonparametric:infomap": "infomap"}


def ids(kind: str) -> list[str]:
    missing = {name for name, library in NEEDS.items() if find_spec(library) is None}
    return [entry.id for entry in REGISTRY.entries(kind) if entry.id not in missing]


EVERY = [
    Parts(*names)
    for names in itertools.product(ids("encoder"), ids("head"), ["none", *ids("objective")], ids("strategy"))
]


@cache
def refusal(parts: Parts) -> CompositionError | None:
    """What the check says to a composition; anything but a `CompositionError` is raised."""
    try:
        make_plan(assemble(REGISTRY, [], flags=parts._asdict()), REGISTRY)
    except CompositionError as error:
        return error
    return None


def pairwise_cover(combinations: Sequence[Parts]) -> list[Parts]:
    """Chooses combinations greedily until each pair of parts that occurs in any of them occurs in a chosen one."""
    chosen: list[Parts] = []
    missing = set().union(*map(pairs_of, combinations))
    while missing:
        best = max(combinations, key=lambda parts: len(pairs_of(parts) & missing))
        chosen.append(best)
        missing -= pairs_of(best)
    return chosen


def pairs_of(parts: Parts) -> set[Any]:
    return set(itertools.combinations(enumerate(parts), 2))


def train_two_epochs(graph: Data, **chosen: Any) -> None:
    model = compose(**chosen, clusters=3, epochs=2, seed=0, registry=REGISTRY)
    labels = model.fit_predict(graph, device="cpu")
    assert labels.shape == (graph.num_nodes,)
    assert labels.dtype == np.int64
    found = len(np.unique(labels))
    # A head that does not ask for the number of clusters finds it.
    assert 0 <= int(labels.min()) <= int(labels.max()) < (3 if model.plan.part("head").wants("n_clusters") else found)
    assert model.confidence_.shape == labels.shape
    assert torch.isfinite(model.clustering_.embedding).all()
    assert model.embedding_.shape[0] == graph.num_nodes
    assert all(row["epoch"] < 2 for row in model.history_)
    assert model.metrics_["n_clusters"] == found


def failures(graph: Data, combinations: Iterable[Any], train: Callable[[Any], None]) -> list[str]:
    """Trains all of them and says which failed, and how: one bad part must not hide another."""
    found = []
    for one in combinations:
        try:
            train(one)
        except Exception as error:  # a plugin may raise anything
            found.append(f"{one}: {type(error).__name__}: {error}")
    return found


@pytest.fixture(scope="module")
def graph() -> Data:
    return blocks(num_nodes=45, n_blocks=3)


def test_there_is_a_matrix() -> None:
    assert len(EVERY) >= 2
    assert "eco-core:kmeans" in ids("head")


@pytest.mark.parametrize("encoder", ids("encoder"))
def test_every_combination_passes_the_check_or_is_refused_with_codes(encoder: str) -> None:
    for parts in (parts for parts in EVERY if parts.encoder == encoder):
        error = refusal(parts)
        if error is not None:
            assert error.problems, parts
            for problem in error.problems:
                assert re.fullmatch(r"ECO[1-5]\d\d", problem.code), parts
                assert problem.message, parts
                assert problem.fix, parts


def test_every_part_is_in_a_combination_that_passes() -> None:
    passing = [parts for parts in EVERY if refusal(parts) is None]
    differentiable_head_is_installed = any(is_differentiable(entry.load()) for entry in REGISTRY.entries("head"))
    for position, kind in enumerate(Parts._fields):
        possible = {parts[position] for parts in passing}
        expected = {parts[position] for parts in EVERY}
        if kind == "strategy" and not differentiable_head_is_installed:
            expected -= {"eco-core:joint"}
        assert possible == expected, kind


def test_the_cover_has_every_pair_of_a_product() -> None:
    product = [Parts(*names) for names in itertools.product("ab", "cde", "fg", "hi")]
    cover = pairwise_cover(product)
    assert set().union(*map(pairs_of, cover)) == set().union(*map(pairs_of, product))
    assert len(cover) < len(product) / 2


def test_every_pair_of_parts_trains_together(graph: Data) -> None:
    passing = [parts for parts in EVERY if refusal(parts) is None]
    cover = pairwise_cover(passing)
    assert {parts.encoder for parts in cover} == {parts.encoder for parts in passing}
    assert failures(graph, cover, lambda parts: train_two_epochs(graph, **parts._asdict())) == []


@pytest.mark.skipif(not FULL, reason="trains every combination: nox -s matrix")
@pytest.mark.parametrize("parts", EVERY if FULL else [], ids=str)
def test_every_combination_trains_or_is_refused(graph: Data, parts: Parts) -> None:
    error = refusal(parts)
    if error is not None:
        with pytest.raises(CompositionError):
            train_two_epochs(graph, **parts._asdict())
        return
    train_two_epochs(graph, **parts._asdict())


@pytest.mark.parametrize("recipe", ids("recipe"))
def test_every_recipe_passes_the_check_and_trains(graph: Data, recipe: str) -> None:
    train_two_epochs(graph, recipe=recipe)


@pytest.mark.parametrize("recipe", ids("recipe"))
def test_no_recipe_sees_the_labels(graph: Data, recipe: str) -> None:
    labelled, unlabelled = graph.clone(), graph.clone()
    labelled.y = graph.y.flip(0)  # Wrong ones: a method that reads them would find other clusters than without.
    del unlabelled.y
    with_labels, without = (compose(recipe=recipe, clusters=3, epochs=5, seed=0, registry=REGISTRY) for _ in range(2))
    assert (with_labels.fit_predict(labelled, device="cpu") == without.fit_predict(unlabelled, device="cpu")).all()
    assert "nmi" in with_labels.metrics_
    assert "nmi" not in without.metrics_


@pytest.mark.parametrize("recipe", ids("recipe"))
def test_the_overrides_of_every_recipe_pass_the_check(recipe: str) -> None:
    from eco_core.spec.recipes import read_recipe

    for dataset in read_recipe(recipe, REGISTRY)[1]:
        notes: list[str] = []
        layers = assemble(REGISTRY, notes, recipe=recipe, flags={"data": {"name": dataset}})
        assert make_plan(layers, REGISTRY, notes).resolved()["data"]["name"] == dataset
        assert notes == [], "a recipe's overrides fit its own parts"
