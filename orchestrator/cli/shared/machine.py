"""Examines the resources of this machine."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from cluster.capacity.resources import Resources, plan_lanes
from cluster.errors import ClusterError
from cluster.start.temporary_folder import ray_folder
from orchestrator.spec.text import sqlite_uri

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

REQUIRED = ("torch", "torchvision", "ray", "optuna", "mlflow", "moocore", "nvidia-ml-py")
OPTIONAL: Mapping[str, str] = {
    "torchao": "int8 quantization",
    "executorch": "int8 on mobile processors",
    "torch-pruning": "structured pruning",
    "onnxruntime": "ONNX models",
    "psycopg": "MLflow on PostgreSQL",
}
"""Optional packages with their purpose."""

CUDA_READY = "ready"
NO_GPU = "no GPU"
LOW_DISK = 5 * 2**30
LOW_MEMORY = 2 * 2**30
LOW_SHARED_MEMORY = 1 * 2**30
MPS_PIPES = "/tmp/nvidia-mps"  # noqa: S108 - the default of CUDA MPS
INTERFACE_VARIABLE = "GLOO_SOCKET_IFNAME"
"""Network interface of gloo, PyTorch's communication between train workers on CPUs."""
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - where Ray's object store is


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineFacts:
    """Resources of a machine; sizes in bytes."""

    python: str
    packages: Mapping[str, str]
    """Version of each required package that is installed."""
    missing: tuple[str, ...]
    """Required packages that are not installed."""
    optional: tuple[str, ...]
    """Installed optional packages."""
    cpus: int
    """CPU cores that this process may use."""
    memory_total: int
    memory_free: int
    gpus: tuple[str, ...]
    """Product name and memory of each GPU."""
    cuda: str
    """``ready``, why torch cannot use the GPUs, or ``no GPU``."""
    storage: str
    """Folder of the sweeps."""
    storage_writable: bool
    disk_free: int
    shared_memory: int
    """Free bytes of ``/dev/shm``; 0 if it does not exist."""
    lanes: int
    """Lanes of one train worker that fit."""
    ray_address: str | None
    """Cluster named by ``RAY_ADDRESS``."""
    tracking: str
    """Address of the default tracking store."""
    temporary_fault: str | None = None
    """Why a local Ray has no usable temporary folder; None if it has."""
    visible_devices: str | None = None
    """``CUDA_VISIBLE_DEVICES``; None if it is not set."""
    mig_devices: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    """UUIDs of the MIG devices of each GPU in MIG mode, by the GPU's index."""
    exclusive_gpus: tuple[int, ...] = ()
    """Indices of the GPUs that admit one process at a time."""
    mps: bool = False
    """Whether the control pipe of CUDA MPS exists."""
    loopback: str | None = None
    """Loopback address that the host name resolves to; None if gloo uses another one."""

    def to_mapping(self) -> dict[str, object]:
        """Return the facts as JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Problem:
    """A missing or scarce resource."""

    text: str
    fatal: bool
    """Whether no sweep can run."""

    def __str__(self) -> str:
        return self.text


def examine(storage: str) -> MachineFacts:
    """Return the resources of this machine; torch is imported only if there is a GPU.

    Args:
        storage: Absolute path of the folder of the sweeps, which may not exist.
    """
    from cluster.telemetry.readings import exclusive_gpus, list_gpus, mig_devices

    versions = {name: _version(name) for name in (*REQUIRED, *OPTIONAL)}
    gpus = list_gpus()
    cpus = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory()
    folder = _existing(Path(storage))
    return MachineFacts(
        python=platform.python_version(),
        packages={name: version for name in REQUIRED if (version := versions[name])},
        missing=tuple(name for name in REQUIRED if versions[name] is None),
        optional=tuple(f"{name} {versions[name]}" for name in OPTIONAL if versions[name]),
        cpus=cpus,
        memory_total=memory.total,
        memory_free=memory.available,
        gpus=tuple(f"{gpu.name} ({(gpu.memory_total_mb or 0) / 1e3:.0f} GB)" for gpu in gpus),
        cuda=_cuda() if gpus else NO_GPU,
        storage=storage,
        storage_writable=os.access(folder, os.W_OK),
        disk_free=shutil.disk_usage(folder).free,
        shared_memory=shutil.disk_usage(SHARED_MEMORY).free if SHARED_MEMORY.exists() else 0,
        lanes=plan_lanes(Resources(), available_cpus=cpus, available_gpus=len(gpus)),
        ray_address=os.environ.get("RAY_ADDRESS"),
        tracking=sqlite_uri(Path(storage) / "mlflow.db"),
        temporary_fault=_temporary_fault(),
        visible_devices=os.environ.get("CUDA_VISIBLE_DEVICES"),
        mig_devices=mig_devices(),
        exclusive_gpus=exclusive_gpus(),
        mps=(Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY", MPS_PIPES)) / "control").exists(),
        loopback=None if os.environ.get(INTERFACE_VARIABLE) else loopback_address(),
    )


def problems(facts: MachineFacts) -> list[Problem]:
    """Return missing and scarce resources, the fatal ones first."""
    found = [
        Problem(f"{name} is not installed; reinstall segsweep", fatal=True)
        for name in facts.missing
    ]
    if not facts.storage_writable:
        found.append(Problem(f"{facts.storage} is not writable; set SEGSWEEP_STORAGE", fatal=True))
    if facts.temporary_fault is not None:
        found.append(Problem(facts.temporary_fault, fatal=facts.ray_address is None))
    if facts.disk_free < LOW_DISK:
        found.append(Problem(f"less than 5 GiB free for {facts.storage}", fatal=False))
    if facts.memory_free < LOW_MEMORY:
        found.append(Problem("less than 2 GiB of memory free", fatal=False))
    if facts.shared_memory < LOW_SHARED_MEMORY:
        found.append(
            Problem(
                "less than 1 GiB free in /dev/shm; Ray's object store will be slow", fatal=False
            )
        )
    if facts.gpus and facts.cuda != CUDA_READY:
        found.append(Problem(f"torch cannot use the GPU: {facts.cuda}", fatal=False))
    found += [Problem(text, fatal=False) for text in _cluster_notes(facts)]
    if not facts.gpus:
        found.append(Problem("no GPU found; trials train on the CPU", fatal=False))
    have = {name.split(" ")[0] for name in facts.optional}
    return found + [
        Problem(f"{name} is not installed: no {use}", fatal=False)
        for name, use in OPTIONAL.items()
        if name not in have
    ]


def _cluster_notes(facts: MachineFacts) -> Iterator[str]:
    """Yield what this machine needs as a node of a cluster, or to share its GPUs."""
    for index, uuids in facts.mig_devices.items():
        if not uuids:
            yield (
                f"GPU {index} is in MIG mode without MIG devices, so CUDA cannot use it; create "
                "them with nvidia-smi mig, or disable the mode with nvidia-smi -mig 0"
            )
        elif "MIG-" not in (facts.visible_devices or ""):
            yield (
                f"GPU {index} is in MIG mode, and Ray counts it as one GPU; start Ray with "
                f"CUDA_VISIBLE_DEVICES={','.join(uuids)} ray start --num-gpus={len(uuids)}"
            )
    if facts.exclusive_gpus and not facts.mps:
        yield (
            f"GPU {', '.join(map(str, facts.exclusive_gpus))} admits one process at a time, so "
            "lanes cannot share it; start CUDA MPS with nvidia-cuda-mps-control -d, or set "
            "nvidia-smi -c DEFAULT"
        )
    if facts.loopback is not None:
        yield (
            f"the host name resolves to {facts.loopback}; train workers on the CPUs of several "
            f"nodes need {INTERFACE_VARIABLE}=INTERFACE, such as eth0, in the environment of ray "
            "start"
        )


def loopback_address(
    host_name: Callable[[], str] = socket.gethostname,
    resolve: Callable[[str], str] = socket.gethostbyname,
) -> str | None:
    """Return the loopback address that the host name resolves to; None for any other address."""
    try:
        address = resolve(host_name())
    except OSError:
        return None
    return address if address.startswith("127.") else None


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _temporary_fault() -> str | None:
    try:
        ray_folder()
    except ClusterError as error:
        return str(error)
    return None


def _cuda() -> str:
    import torch

    try:
        torch.cuda.init()  # type: ignore[no-untyped-call]
    except (RuntimeError, AssertionError) as error:
        return str(error).strip().splitlines()[0]
    return CUDA_READY


def _existing(folder: Path) -> Path:
    """Return the folder, or its nearest existing parent."""
    while not folder.exists():
        folder = folder.parent
    return folder
