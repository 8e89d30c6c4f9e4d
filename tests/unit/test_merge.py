"""The laws of merging layers of a spec, for all layers: no registry, only a table of what components declare."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from eco_core.spec.merge import Components, merge

# Two names of one component, and two others.
DECLARED = {"a": ("x", "y", "opt"), "alias-of-a": ("x", "y", "opt"), "b": ("y", "z"), "c": ()}
PARAMETERS = ("x", "y", "z", "opt")
KINDS = ("encoder", "head", "strategy")

COMPONENTS = Components(
    declared=lambda kind, part: DECLARED.get(part, ()),
    same=lambda kind, one, other: one == other or {one, other} == {"a", "alias-of-a"},
    default_objective="a",
)

scalars = st.integers(0, 3) | st.sampled_from(["text", ""]) | st.booleans()
options = st.dictionaries(st.sampled_from(["lr", "name"]), scalars, max_size=2)
parameters = st.dictionaries(st.sampled_from(PARAMETERS), scalars | options, max_size=3)
names = st.sampled_from(sorted(DECLARED))
named = st.builds(lambda name, given: {"name": name, **given}, names, parameters)
datasets = st.builds(
    lambda name, given: {"name": name, **given},
    st.sampled_from(["cora", "sbm"]),
    st.dictionaries(st.sampled_from(["root", "undirected", "k"]), scalars, max_size=3),
)
layers = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(KINDS, named | names | parameters),
        "objective": named | names | parameters | st.sampled_from(["auto", "none", None]),
        "data": datasets | st.sampled_from(["cora", "sbm"]),
        "clusters": st.none() | st.integers(1, 9),
        "train": st.dictionaries(st.sampled_from(["batch", "batch_size"]), scalars, max_size=2),
    },
)
# What lies below a layer names its parts.
bases = st.fixed_dictionaries(
    {**dict.fromkeys(KINDS, named), "data": datasets, "objective": named | st.sampled_from(["auto", "none"])},
    optional={"clusters": st.integers(1, 9), "train": st.just({"batch": "full"})},
)


def merged(base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    return merge(base, layer, COMPONENTS)[0]


@given(bases)
def test_an_empty_layer_changes_nothing(base: dict[str, Any]) -> None:
    assert merge(base, {}, COMPONENTS) == (base, ())
    assert merged(base, dict.fromkeys(("data", "encoder", "clusters", "train"))) == base


@given(bases, layers)
def test_a_layer_put_on_twice_is_the_layer_put_on_once(base: dict[str, Any], layer: dict[str, Any]) -> None:
    once = merged(base, layer)
    assert merge(once, layer, COMPONENTS) == (once, ())


@given(bases, layers)
def test_neither_the_base_nor_the_layer_is_modified(base: dict[str, Any], layer: dict[str, Any]) -> None:
    before = copy.deepcopy((base, layer))
    merged(base, layer)
    assert (base, layer) == before


@given(bases, layers)
def test_the_later_layer_wins_key_by_key(base: dict[str, Any], layer: dict[str, Any]) -> None:
    result = merged(base, layer)
    for section in (*KINDS, "data", "train"):
        above = layer.get(section, {})
        above = {"name": above} if isinstance(above, str) else above
        for key, value in (above or {}).items():
            if not isinstance(value, dict):
                assert result[section][key] == value
            else:
                assert value.items() <= result[section][key].items()
    if layer.get("clusters") is not None:
        assert result["clusters"] == layer["clusters"]


@given(bases, layers)
def test_keys_that_a_layer_does_not_mention_stay(base: dict[str, Any], layer: dict[str, Any]) -> None:
    result = merged(base, layer)
    for key in base.keys() - layer.keys():
        assert result[key] == base[key]


@settings(max_examples=200)
@given(bases, named)
def test_another_component_drops_exactly_the_parameters_that_it_does_not_declare(
    base: dict[str, Any], above: dict[str, Any]
) -> None:
    below = base["head"]
    result, notes = merge(base, {"head": above}, COMPONENTS)
    same = COMPONENTS.same("head", above["name"], below["name"])
    declared = below.keys() if same else {"name", *DECLARED[above["name"]]}
    assert result["head"].keys() == above.keys() | (below.keys() & declared)
    dropped = [key for key in below if key not in declared]
    assert notes == (
        (f"{above['name']} has no {', '.join(f'head.{key}' for key in dropped)}: left out.",) * bool(dropped)
    )


@given(bases, datasets)
def test_another_data_set_drops_exactly_the_parameters_of_the_one_below(
    base: dict[str, Any], above: dict[str, Any]
) -> None:
    result, notes = merge(base, {"data": above}, COMPONENTS)
    dropped = {"k"} & (base["data"].keys() - above.keys()) if above["name"] != base["data"]["name"] else set()
    assert result["data"] == {key: value for key, value in {**base["data"], **above}.items() if key not in dropped}
    assert bool(notes) == bool(dropped)
