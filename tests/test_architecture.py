"""Import direction, the rooms of Ray and MLflow, and the absence of cycles."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_spaces", "cluster", "trainables", "orchestrator")
ALLOWED = {
    "search_spaces": {"search_spaces"},
    "cluster": {"cluster"},
    "trainables": {"trainables", "search_spaces"},
    "orchestrator": set(PACKAGES),
}
ORDER = {
    "cluster": ("errors", "view", "spot", "capacity", "telemetry", "start", "jobs", "probe"),
    "orchestrator": (
        "spec",
        "ledger",
        "search",
        "sweep",
        "lanes",
        "forecast",
        "report",
        "tracking",
        "driver",
        "registry",
        "cli",
    ),
    "trainables": (
        "config",
        "io",
        "session",
        "data",
        "models",
        "compression",
        "formats",
        "cost",
        "training",
        "trial",
        "export",
        "inference",
        "distillation",
        "lane",
        "incremental",
    ),
}
"""Rooms of a package from the lowest to the highest; each imports only what stands before it."""
MOST_FLOORS = 10
RAY_MODULES = {
    "cluster/jobs/server.py",
    "cluster/start/cluster_state.py",
    "cluster/start/connection.py",
    "cluster/start/local_ray.py",
    "orchestrator/lanes/pool.py",
    "orchestrator/lanes/tune_adapters.py",
    "orchestrator/lanes/tune_session.py",
    "trainables/lane/ray_worker.py",
}
MLFLOW_ROOMS = ("orchestrator/tracking/", "orchestrator/registry/")


@cache
def modules() -> dict[str, Path]:
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str) -> frozenset[str]:
    """Return the modules that ``name`` imports anywhere, for types too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text())):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return frozenset(found)


def ours(name: str) -> set[str]:
    return {found for found in imports(name) if found in modules() and found != name}


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_import_only_what_lies_below_them(package: str) -> None:
    wrong = {
        f"{name} imports {found}"
        for name in modules()
        if name.split(".")[0] == package
        for found in imports(name)
        if found.split(".")[0] in PACKAGES and found.split(".")[0] not in ALLOWED[package]
    }
    assert not wrong


def rooms_imported(package: str) -> dict[str, set[str]]:
    """Return for each room of ``package`` the other rooms that its modules import."""
    rooms: dict[str, set[str]] = {}
    for name in modules():
        own = name.split(".")
        if own[0] == package and len(own) > 1:
            others = {
                found.split(".")[1] for found in ours(name) if found.startswith(f"{package}.")
            }
            rooms.setdefault(own[1], set()).update(others - {own[1]})
    return rooms


@pytest.mark.parametrize("package", ORDER)
def test_no_room_imports_upward(package: str) -> None:
    imported = rooms_imported(package)
    assert imported.keys() == set(ORDER[package])
    place = {room: number for number, room in enumerate(ORDER[package])}
    upward = {
        f"{room} imports {other}"
        for room, others in imported.items()
        for other in others
        if place[other] > place[room]
    }
    assert not upward


def test_floors_of_the_orchestrator() -> None:
    imported = rooms_imported("orchestrator")

    def floor(room: str) -> int:
        return 1 + max(map(floor, imported[room]), default=0)

    assert max(map(floor, imported)) <= MOST_FLOORS


def importers(library: str) -> set[str]:
    """Return the files that import ``library`` anywhere, for types too."""
    return {
        str(path.relative_to(ROOT))
        for name, path in modules().items()
        if any(found.split(".")[0] == library for found in imports(name))
    }


def test_ray_is_imported_by_as_many_modules_as_the_readme_states() -> None:
    assert importers("ray") == RAY_MODULES
    assert f"{len(RAY_MODULES)} modules import Ray" in (ROOT / "README.md").read_text()


def test_mlflow_is_imported_by_its_two_rooms_alone() -> None:
    outside = {path for path in importers("mlflow") if not path.startswith(MLFLOW_ROOMS)}
    assert importers("mlflow")
    assert not outside


def test_one_place_makes_sweeps() -> None:
    makers = [
        name
        for name, path in modules().items()
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) == "Sweep"
    ]
    assert makers == ["orchestrator.sweep.make"]


def test_no_module_imports_itself_in_a_circle() -> None:
    seen: dict[str, int] = {}
    circle: list[str] = []

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle.extend(path[path.index(name) :])
            return
        if name in seen or circle:
            return
        for found in sorted(ours(name)):
            visit(found, (*path, name))
        seen[name] = 1

    for name in modules():
        visit(name, ())
    assert not circle, " -> ".join(circle)


def test_every_module_says_in_one_sentence_what_it_holds() -> None:
    silent = {
        name
        for name, path in modules().items()
        if not (ast.get_docstring(ast.parse(path.read_text())) or "").strip()
    }
    assert not silent
