"""The verb ``extend``: train a model on new classes without forgetting the old ones."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.options import AsJson, examples
from orchestrator.cli.shared.output import print_err, print_json, print_pairs, print_warning

if TYPE_CHECKING:
    from trainables.data.checks.report import DataReport
    from trainables.incremental.config import ExtendConfig
    from trainables.incremental.extend import Extension

EPILOG = examples(
    "segsweep extend TRIAL --old camvid.yaml --data snow.yaml --new-classes snow --out snowy",
    "segsweep extend TRIAL --old a.yaml --data b.yaml --new-classes tram,bus --out b --ewc 0",
)

Model: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="MODEL", help="Folder of a complete trial or of an extended model."),
]
Old: TypeAlias = Annotated[
    Path,
    typer.Option(
        "--old",
        metavar="SPEC",
        help="Spec whose data set the model was trained on; forgetting is measured on it.",
    ),
]
Data: TypeAlias = Annotated[
    Path,
    typer.Option("--data", metavar="SPEC", help="Spec whose data set contains the new classes."),
]
NewClasses: TypeAlias = Annotated[
    str, typer.Option("--new-classes", metavar="NAME,...", help="Classes to add.")
]
Out: TypeAlias = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder of the new model.")
]
Epochs: TypeAlias = Annotated[int, typer.Option("--epochs", help="Number of epochs.")]
Rate: TypeAlias = Annotated[float, typer.Option("--learning-rate", help="Initial learning rate.")]
BatchSize: TypeAlias = Annotated[int, typer.Option("--batch-size", help="Images per step.")]
Ewc: TypeAlias = Annotated[
    float, typer.Option("--ewc", help="Strength of elastic weight consolidation; 0 disables it.")
]
Exemplars: TypeAlias = Annotated[
    int, typer.Option("--exemplars", help="Old images to replay; 0 disables replay.")
]
Seed: TypeAlias = Annotated[int, typer.Option("--seed", help="Random seed.")]


def extend(
    model: Model,
    *,
    old: Old,
    data: Data,
    new_classes: NewClasses,
    out: Out,
    epochs: Epochs = 10,
    learning_rate: Rate = 3e-4,
    batch_size: BatchSize = 8,
    ewc: Ewc = 10.0,
    exemplars: Exemplars = 16,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a model on new classes while keeping the old ones.

    Elastic weight consolidation keeps the weights that matter for the old classes, and exemplars
    of the old data are replayed. The remaining forgetting is measured on the old validation images.
    """
    from orchestrator.cli.shared.errors import CliError
    from trainables.incremental.config import ExtendConfig, ExtendError
    from trainables.training.checkpoint import CheckpointError

    try:
        settings = ExtendConfig(
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            ewc=ewc,
            exemplars=exemplars,
            seed=seed,
        )
    except ValueError as error:
        raise CliError(str(error)) from error
    names = tuple(name.strip() for name in new_classes.split(",") if name.strip())
    try:
        found = run_extension(
            model, old=old, data=data, new_classes=names, settings=settings, out=out
        )
    except (ExtendError, CheckpointError) as error:
        raise CliError(str(error)) from error
    _print(found, out, as_json=as_json)


def run_extension(
    model: Path,
    *,
    old: Path,
    data: Path,
    new_classes: tuple[str, ...],
    settings: ExtendConfig,
    out: Path,
) -> Extension:
    """Extend the model, write it to ``out`` and return the scores.

    Raises:
        CliError: ``out`` holds a model already, or the model is compressed.
        SpecError, DataError, CheckpointError, ExtendError: an input cannot be used.
    """
    import torch

    from orchestrator.cli.shared.errors import CliError
    from orchestrator.driver.preparation import check_dataset
    from orchestrator.spec.parse import load_spec
    from trainables.incremental.extend import extend_model
    from trainables.inference.trained import load_trained
    from trainables.training.checkpoint import BEST_WEIGHTS

    if (out / BEST_WEIGHTS).exists():
        raise CliError(f"{out} already holds a model; choose another --out")
    before, after = load_spec(old), load_spec(data)
    trained = load_trained(model)
    if trained.config.quantization != "none" or trained.config.pruning == "structured":
        raise CliError(
            f"{model} is compressed (quantization={trained.config.quantization}, "
            f"pruning={trained.config.pruning}); extend the uncompressed model, then compress it"
        )
    _show(check_dataset(before, print_warning), "old")
    _show(check_dataset(after, print_warning), "new")
    return extend_model(
        trained,
        old_data=before.data,
        new_data=after.data,
        new_classes=new_classes,
        settings=settings,
        cache_dir=before.storage.cache_dir,
        folder=out,
        device=torch.device("cuda" if torch.cuda.is_available() else "cpu"),
        on_epoch=lambda epoch, loss: print_err(
            f"epoch {epoch} of {settings.epochs}: loss {loss:.4f}"
        ),
    )


def _show(report: DataReport, which: str) -> None:
    print_err(f"{which} data: {report.root}, {len(report.class_names)} classes")


def _print(found: Extension, out: Path, *, as_json: bool) -> None:
    facts = {
        "classes": list(found.class_names),
        "old_miou_before": found.old_miou_before,
        "old_miou": found.old_miou,
        "forgetting": found.forgetting,
        "new_miou": found.new_miou,
        "exemplars": list(found.exemplars),
        "folder": str(out),
    }
    if as_json:
        print_json(facts)
        return
    print_pairs(
        [
            ("classes", ", ".join(found.class_names)),
            ("old classes", f"mIoU {found.old_miou_before:.4f} before, {found.old_miou:.4f} now"),
            ("forgetting", f"{found.forgetting:.4f}"),
            ("new classes", f"mIoU {found.new_miou:.4f}"),
            ("exemplars", str(len(found.exemplars))),
            ("folder", str(out)),
        ]
    )
