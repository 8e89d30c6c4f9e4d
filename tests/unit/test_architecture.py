"""Rooms import downwards only: at the top of a module, within a function, and for types alone."""

from __future__ import annotations

import ast
from pathlib import Path

import eco_core

ROOT = Path(eco_core.__file__).parent
FLOORS = (  # From the ground up. A room may import the rooms of lower floors, and itself.
    {"errors", "_files", "_lazy"},
    {"inject", "ops"},
    {"registry", "transforms", "parts"},
    {"metrics", "data", "spec", "engine"},
    {"plan", "results", "builtin", "loggers"},
    {"model", "jobs", "report"},
    {"runs", "ensemble", "select", "benchmark", "estimator", "tl"},
    {"cli", "testing"},
)
FLOOR = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}


def imports_of(module: Path) -> set[str]:
    """The rooms that a module imports, other than its own."""
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module] if node.module != "eco_core" else [f"eco_core.{a.name}" for a in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        found |= {name.split(".")[1] for name in names if name.startswith("eco_core.")}
    return found


def room_of(module: Path) -> str:
    return module.relative_to(ROOT).parts[0].removesuffix(".py")


def test_every_room_imports_downwards_only() -> None:
    upward = sorted(
        f"{module.relative_to(ROOT)} -> {other}"
        for module in ROOT.rglob("*.py")
        if (room := room_of(module)) in FLOOR
        for other in imports_of(module) - {room}
        if other in FLOOR and FLOOR[other] >= FLOOR[room]
    )
    assert upward == []


def test_every_room_has_a_floor() -> None:
    rooms = {room_of(module) for module in ROOT.rglob("*.py")} - {"__init__"}
    assert rooms == set(FLOOR) & rooms


def test_no_module_imports_itself_through_others() -> None:
    """Modules of one room may import each other, but not in a circle."""
    names = {_name_of(module): module for module in ROOT.rglob("*.py") if module.name != "__init__.py"}
    imports = {name: _modules_imported_by(module) & set(names) for name, module in names.items()}
    remaining = dict(imports)
    while free := [name for name, needed in remaining.items() if not needed & set(remaining)]:
        for name in free:
            del remaining[name]
    assert sorted(remaining) == []


def _name_of(module: Path) -> str:
    return ".".join(("eco_core", *module.relative_to(ROOT).with_suffix("").parts))


def _modules_imported_by(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return found


def test_within_data_tables_lie_below_readers_and_these_below_convert() -> None:
    lower = {
        "on_disk": (),
        "tables": (),
        "readers": ("on_disk", "tables"),
        "convert": ("readers", "on_disk", "tables"),
    }
    wrong = [
        f"{room}/{module.name} -> {other}"
        for room, allowed in lower.items()
        for module in (ROOT / "data" / room).glob("*.py")
        for other in set(lower) - {room, *allowed}
        if any(name.startswith(f"eco_core.data.{other}") for name in _modules_imported_by(module))
    ]
    assert wrong == []


PUBLIC = ("eco_core", "eco_core.parts", "eco_core.ops", "eco_core.transforms", "eco_core.errors", "eco_core.data")
"""What plugins import: the top level, and these rooms (`eco_core.ops` with its modules)."""


def test_first_party_plugins_import_the_public_door_alone() -> None:
    sources = [path for path in (ROOT.parent / "plugins").rglob("*.py") if "tests" not in path.parts]
    private = sorted(
        f"{source.name}: {name}"
        for source in sources
        for name in _modules_named_by(source)
        if name not in PUBLIC and not name.startswith("eco_core.ops.")
    )
    assert private == []


def test_nobody_imports_the_builtin_parts() -> None:
    sources = [path for path in ROOT.rglob("*.py") if room_of(path) != "builtin"]
    assert [str(path) for path in sources if "builtin" in imports_of(path)] == []


def _modules_named_by(source: Path) -> set[str]:
    tree = ast.parse(source.read_text(encoding="utf-8"))
    froms = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
    plain = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return {name for name in froms | plain if name.split(".")[0] == "eco_core"}
