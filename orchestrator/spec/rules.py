"""Rules between settings; each rule is checked independently of the others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from search_spaces.config import find_faults
from search_spaces.domains import Categorical, values_of
from search_spaces.faults import Fault
from search_spaces.fields import without_inactive
from trainables.cost.targets import quantization_fault
from trainables.data.masks.class_colors import class_color_faults
from trainables.io.object_store import address_fault, is_address, without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cluster.capacity.resources import Resources
    from orchestrator.spec.baselines import Baseline
    from orchestrator.spec.objectives import Constraint, Objective
    from orchestrator.spec.sweep_spec import Storage, SweepBudget, Tracking
    from search_spaces.domains import Domain
    from search_spaces.space import SearchSpace
    from trainables.config import DataConfig, TargetConfig, TeacherConfig


_CODE = re.compile(r"%[0-9A-Fa-f]{2}")


def data_faults(data: DataConfig) -> Iterator[Fault]:
    """Yield settings that the layout cannot use."""
    if data.root is None and data.format != "synthetic":
        yield Fault(
            "data.root",
            f"the layout {data.format} needs the folder of the data set; set it here or with "
            f"--set data.root=FOLDER",
        )
    if data.root is not None and is_address(data.root):
        if data.format == "synthetic":
            yield Fault("data.root", "synthetic scenes need a local folder, not an object store")
        elif fault := address_fault(data.root):
            yield Fault("data.root", fault)
    for wrong in class_color_faults(data):
        yield Fault(wrong.path, f"{wrong.what}; {wrong.remedy}")
    if data.format == "folder":
        yield from _folder_faults(data)


def _folder_faults(data: DataConfig) -> Iterator[Fault]:
    names = data.class_names
    if names is None:
        yield Fault("data.class_names", "the layout folder needs the class names in label order")
        return
    if len(names) < 2:
        yield Fault("data.class_names", f"must be at least two, got {list(names)}")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        yield Fault("data.class_names", f"must differ, {', '.join(repeated)} is given twice")
    elif len(names) == 2 and data.ignore_index < 2:
        yield Fault(
            "data.ignore_index",
            f"{data.ignore_index} is the label of {names[data.ignore_index]!r}, so one class is "
            f"left; name at least two others, or choose 2 to 255",
        )


def teacher_faults(teacher: TeacherConfig) -> Iterator[Fault]:
    """Yield settings with which the teacher cannot be built."""
    network: dict[str, object] = {
        "arch": teacher.arch,
        "backbone": teacher.backbone,
        "output_stride": teacher.output_stride,
    }
    network = without_inactive(network)
    if teacher.resolution is not None:
        network["resolution"] = teacher.resolution
    for fault in find_faults(network):
        yield fault.below("teacher")


def resource_faults(resources: Resources, space: SearchSpace) -> Iterator[Fault]:
    """Yield settings with which train workers cannot share a GPU or a batch."""
    gpus = resources.gpus_per_worker
    if gpus is not None and gpus > 1 and not float(gpus).is_integer():
        yield Fault("resources.gpus_per_worker", f"above 1 it must be a whole number, got {gpus:g}")
    if resources.packing == "memory" and gpus is not None:
        yield Fault(
            "resources.gpus_per_worker", "is computed if resources.packing is memory; remove it"
        )
    if resources.train_workers > 1 and (division := _gpu_division(resources)):
        setting, remedy = division
        yield Fault(
            "resources.train_workers",
            f"NCCL refuses two ranks on one GPU, and {setting} divides GPUs, got "
            f"{resources.train_workers} train workers; set resources.train_workers: 1, or {remedy} "
            "for a whole GPU per rank",
        )
    if "batch_size" not in space.names:
        return
    smallest = min(_ends(space["batch_size"].domain), default=resources.train_workers)
    if smallest < resources.train_workers:
        yield Fault(
            "space.batch_size",
            f"{smallest:g} images cannot be shared by {resources.train_workers} train workers; "
            f"increase the batch size or lower resources.train_workers",
        )


def energy_faults(
    resources: Resources, objectives: Iterable[Objective], constraints: Iterable[Constraint]
) -> Iterator[Fault]:
    """Yield objectives and constraints on energy that a shared GPU cannot measure."""
    division = _gpu_division(resources)
    if division is None:
        return
    setting, remedy = division
    names = [("objectives", objective.name) for objective in objectives]
    names += [("constraints", constraint.metric) for constraint in constraints]
    for section, name in names:
        if name == "energy_j":
            yield Fault(
                f"{section}.{name}",
                f"is measured for a whole GPU, and {setting} divides GPUs among lanes, whose "
                f"trials would each get the energy of all; set {remedy}, or remove {name}",
            )


def _gpu_division(resources: Resources) -> tuple[str, str] | None:
    """Return the setting that divides GPUs among lanes and the one that does not; None without."""
    if resources.packing == "memory":
        return "resources.packing: memory", "resources.packing: fixed"
    gpus = resources.gpus_per_worker
    if gpus is not None and 0 < gpus < 1:
        return f"resources.gpus_per_worker: {gpus:g}", "resources.gpus_per_worker: 1"
    return None


def target_faults(target: TargetConfig, space: SearchSpace) -> Iterator[Fault]:
    """Yield settings with which the target cannot run models of the space."""
    if target.name == "command" and not target.command:
        yield Fault("target.command", "is missing: the program that times an artifact")
    if "quantization" not in space.names:
        return
    for value in values_of(space["quantization"].domain):
        if message := quantization_fault(target, str(value)):
            yield Fault("target.name", message)


def baseline_faults(
    baselines: tuple[Baseline, ...], budget: SweepBudget, resources: Resources, target: TargetConfig
) -> Iterator[Fault]:
    """Yield settings with which baselines cannot be trained."""
    if len(baselines) > budget.trials:
        yield Fault(
            "budget.trials",
            f"{budget.trials} trials are fewer than the {len(baselines)} baselines, which are "
            f"trained first; increase the budget or remove baselines",
        )
    for baseline in baselines:
        path, images = f"baselines.{baseline.name}", baseline.config["batch_size"]
        if int(images) < resources.train_workers:
            yield Fault(
                f"{path}.batch_size",
                f"{images} images cannot be shared by {resources.train_workers} train workers",
            )
        if message := quantization_fault(target, str(baseline.config["quantization"])):
            yield Fault(f"{path}.quantization", message)


def storage_faults(storage: Storage) -> Iterator[Fault]:
    """Yield places where the sweep's files cannot be stored."""
    for name in ("root", "cache"):
        path = getattr(storage, name)
        if path is not None and not path.isprintable():
            yield Fault(
                f"storage.{name}",
                f"must be a path of printable characters in UTF-8, got {path!r}",
            )
        if path is not None and is_address(path):
            yield Fault(
                f"storage.{name}",
                "must be a folder, because a ledger needs a file system, got "
                f"{without_secrets(path)}; set a folder here and the address as storage.mirror",
            )
    if _CODE.search(storage.root):
        yield Fault(
            "storage.root",
            "must not have % before two hexadecimal digits, which MLflow decodes when it loads a "
            f"model, got {storage.root!r}",
        )
    if storage.mirror is not None and (fault := address_fault(storage.mirror)):
        yield Fault("storage.mirror", fault)


def tracking_faults(tracking: Tracking) -> Iterator[Fault]:
    """Yield a name that MLflow cannot display as an experiment."""
    name = tracking.experiment
    if not name.isprintable() or name != name.strip():
        yield Fault(
            "tracking.experiment",
            f"must be one printable line without spaces at its ends, got {name!r}",
        )


def _ends(domain: Domain) -> list[float]:
    """Return the numbers of a choice, or the two ends of an interval."""
    if isinstance(domain, Categorical):
        return [float(value) for value in domain.choices if isinstance(value, int | float)]
    return [float(domain.low), float(domain.high)]
