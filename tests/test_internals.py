"""Private interfaces of other libraries: they exist, and docs/internals.md lists every use."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/internals.md").read_text(encoding="utf-8")
PACKAGES = ("search_spaces", "cluster", "trainables", "orchestrator")
UNDOCUMENTED = ("mlflow.store", "mlflow.utils")
"""Public names that MLflow's documentation leaves out."""
MODULE_NAME = re.compile(r"(ray|mlflow|torch|torchvision|optuna)(\.\w+)+\.?")
VARIABLES = re.findall(r"`((?:RAY|TUNE)_[A-Z_]+)`", PAGE)


def is_private(module: str) -> bool:
    """Whether ``module`` is a private part of another library, or an undocumented one."""
    parts = module.split(".")
    return parts[0] not in (*PACKAGES, "__future__") and (
        any(part.startswith("_") for part in parts) or module.startswith(UNDOCUMENTED)
    )


def uses_private_names(path: Path) -> bool:
    text = path.read_text(encoding="utf-8")
    modules: list[str] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Constant) and MODULE_NAME.fullmatch(str(node.value)):
            modules.append(str(node.value).rstrip("."))
    return "noqa: SLF001" in text or any(map(is_private, modules))


def test_the_page_lists_every_module_that_uses_private_names() -> None:
    using = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        if uses_private_names(path)
    }
    assert len(using) >= 10
    listed = set(re.findall(r"^\| `([\w/.]+)`", PAGE, re.MULTILINE))
    folders = tuple(name for name in listed if name.endswith("/"))
    assert {name for name in using if name not in listed and not name.startswith(folders)} == set()


def test_what_is_used_of_ray_exists() -> None:
    from ray._private import state, utils, worker
    from ray.job_submission import JobSubmissionClient
    from ray.tune.execution.tune_controller import TuneController

    assert callable(state.available_resources_per_node)
    assert callable(utils.read_ray_address)
    assert hasattr(worker, "_global_node")
    request: Any = JobSubmissionClient._do_request
    assert list(inspect.signature(request).parameters)[:3] == ["self", "method", "endpoint"]
    assert "self._actor_cache = _ObjectCache(" in inspect.getsource(TuneController)
    cache_class: Any = inspect.getmodule(TuneController)
    assert "by" in inspect.signature(cache_class._ObjectCache.increase_max).parameters


def test_ray_reads_the_variables() -> None:
    folder = Path(str(importlib.util.find_spec("ray").origin)).parent  # type: ignore[union-attr]
    parts = ("train", "tune", "_private", "dashboard/modules/job")
    text = "\n".join(
        path.read_text(encoding="utf-8", errors="replace")
        for part in parts
        for path in (folder / part).rglob("*.py")
    )
    assert len(VARIABLES) >= 10
    assert {name for name in VARIABLES if name not in text} == set()


@cache
def package_path(name: str) -> Path:
    return Path(str(importlib.util.find_spec(name).origin)).parent  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name",
    [
        "ray.dashboard.modules.dashboard_sdk",
        "ray.dashboard.modules.job.sdk",
        "ray._private.runtime_env.packaging",
        "mlflow.utils.environment",
        "mlflow.utils.validation",
        "mlflow.store.db.utils",
    ],
)
def test_a_silenced_logger_belongs_to_a_module(name: str) -> None:
    library, *parts = name.split(".")
    path = package_path(library).joinpath(*parts)
    assert path.with_suffix(".py").is_file()


def test_what_is_used_of_torch_and_optuna_exists() -> None:
    import torch

    tensor = torch.zeros(2, 3)
    assert tensor._base is None
    assert tensor.view(-1)._base is tensor


def test_what_is_used_of_executorch_exists() -> None:
    found = importlib.util.find_spec("executorch")
    if found is None:
        pytest.skip("executorch is not installed")
    folder = Path(next(iter(found.submodule_search_locations or ())))
    library = folder / "extension/pybindings/portable_lib.py"
    assert "_unsafe_reset_threadpool" in library.read_text(encoding="utf-8")
