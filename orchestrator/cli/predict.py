"""The verb ``predict``: predict masks with a registered model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from orchestrator.cli.shared.errors import USER_FAULT, CliError
from orchestrator.cli.shared.options import AsJson, StorageRoot, examples
from orchestrator.cli.shared.output import (
    print_err,
    print_json,
    print_out,
    print_table,
    print_warning,
    with_progress,
)
from orchestrator.cli.shared.registry import TrackingAddress, open_registry, registry_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.registry.loading import RegisteredModel
    from trainables.inference.images import ImageFile
    from trainables.inference.outcome import Outcome

EPILOG = examples(
    "segsweep predict street@champion photos/ --out predicted",
    "segsweep predict street@previous a.png b.png --out predicted --json",
    "segsweep predict street/3 large.tif --out predicted --mode sliding --zoom 4",
)

Model: TypeAlias = Annotated[
    str, typer.Argument(metavar="MODEL", help="NAME@champion, NAME@previous or NAME/VERSION.")
]
Images: TypeAlias = Annotated[
    list[Path], typer.Argument(metavar="IMAGE...", help="Image files or folders of images.")
]
Out: TypeAlias = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="Folder of the results.")
]
Mode: TypeAlias = Annotated[
    str,
    typer.Option(
        metavar="MODE",
        help="resize: scale the image to the model's size, as in training; sliding: move a window "
        "of that size over the image.",
    ),
]
Overlap: TypeAlias = Annotated[
    float,
    typer.Option(metavar="SHARE", help="Sliding: overlap of two windows, at least 0 and below 1."),
]
Zoom: TypeAlias = Annotated[
    float,
    typer.Option(
        metavar="TIMES",
        help="Sliding: scale the image to this many window sides first; 0 keeps its size.",
    ),
]
Batch: TypeAlias = Annotated[int, typer.Option("--batch", min=1, help="Images per forward pass.")]

MaxPixels: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--max-image-pixels",
        min=1,
        metavar="PIXELS",
        help="Largest image to decode; the default depends on the memory.",
    ),
]
PACKED_ERROR = "PackedModelError"
"""Error class of a packed model, by name: its code is loaded from the model's own files."""


def predict(
    model: Model,
    images: Images,
    *,
    out: Out,
    mode: Mode = "resize",
    overlap: Overlap = 0.25,
    zoom: Zoom = 0.0,
    batch: Batch = 8,
    max_pixels: MaxPixels = None,
    tracking: TrackingAddress = None,
    storage: StorageRoot = None,
    as_json: AsJson = False,
) -> None:
    """Predict the class of every pixel of images.

    Writes masks (pixel values are class ids), colour overlays, and shares.csv with the share of
    each class. EXIF rotation is applied. Unreadable images are reported and skipped; the exit code
    is then 2.
    """
    from orchestrator.registry.loading import load_registered
    from orchestrator.registry.versions import ModelRef
    from trainables.inference.images import ImageFilesError, gather_images
    from trainables.inference.outcome import SHARES, shares_csv

    _check(mode, overlap, zoom)
    try:
        gathered = gather_images(images, out)
    except ImageFilesError as error:
        raise CliError(str(error)) from error
    registry = open_registry(tracking, storage)
    with registry_errors():
        version = registry.find(ModelRef.parse(model))
    loaded = load_registered(registry.uri, version)
    params = {"mode": mode, "overlap": overlap, "zoom": zoom, "batch_size": batch}
    faults: list[str] = []
    for line in gathered.warnings:
        print_warning(line)
    files = gathered.files
    watched = with_progress(
        files, total=len(files), doing="predicting", done="predicted", unit="images"
    )
    pictures = _readable(watched, faults, max_pixels)
    outcomes = list(_predicted(loaded, pictures, out, batch, params))
    if outcomes:
        (out / SHARES).write_text(shares_csv(outcomes, loaded.class_names), encoding="utf-8")
    _print(loaded, outcomes, out, as_json=as_json)
    for fault in faults:
        print_err(f"error: {fault}")
    if faults:
        raise typer.Exit(USER_FAULT)


def _check(mode: str, overlap: float, zoom: float) -> None:
    from trainables.inference.predictor import MODES

    faults = []
    if mode not in MODES:
        faults.append(f"--mode must be one of {', '.join(MODES)}, got {mode!r}")
    if not 0 <= overlap < 1:
        faults.append(f"--overlap must be at least 0 and below 1, got {overlap}")
    if not (zoom == 0 or zoom >= 1):
        faults.append(f"--zoom must be 0 or at least 1, got {zoom}")
    if faults:
        raise CliError("; ".join(faults))


def _readable(
    files: Iterable[ImageFile], faults: list[str], max_pixels: int | None = None
) -> Iterator[tuple[ImageFile, NDArray[np.uint8]]]:
    """Yield every readable image; append an error for each other one to ``faults``."""
    import numpy as np

    from trainables.data.decode import read_image
    from trainables.data.faults import DataError

    for file in files:
        try:
            yield file, np.array(read_image(file.path, max_pixels))
        except DataError as error:
            faults.append(str(error))


def _predicted(
    model: RegisteredModel,
    pictures: Iterable[tuple[ImageFile, NDArray[np.uint8]]],
    out: Path,
    batch: int,
    params: dict[str, object],
) -> Iterator[Outcome]:
    """Yield the prediction of each image; consecutive images of one size share a forward pass.

    Raises:
        CliError: the packed model raised an error, such as logits that are not finite.
    """
    import numpy as np

    from trainables.inference.outcome import write_outcome

    for group in _groups(pictures, batch):
        try:
            masks = model.predict(np.stack([image for _, image in group]), **params)
        except ValueError as error:
            if type(error).__name__ != PACKED_ERROR:
                raise
            names = ", ".join(file.name for file, _ in group)
            raise CliError(f"version {model.version.version}, {names}: {error}") from error
        for (file, image), mask in zip(group, masks, strict=True):
            yield write_outcome(out, file.name, image, mask, model.class_names)


def _groups(
    pictures: Iterable[tuple[ImageFile, NDArray[np.uint8]]], batch: int
) -> Iterator[list[tuple[ImageFile, NDArray[np.uint8]]]]:
    group: list[tuple[ImageFile, NDArray[np.uint8]]] = []
    for file, image in pictures:
        if group and (len(group) == batch or group[0][1].shape != image.shape):
            yield group
            group = []
        group.append((file, image))
    if group:
        yield group


def _print(
    model: RegisteredModel, outcomes: Sequence[Outcome], out: Path, *, as_json: bool
) -> None:
    version = model.version
    if as_json:
        print_json(
            {
                "model": version.name,
                "version": version.version,
                "class_names": list(model.class_names),
                "out": str(out),
                "images": [{"name": each.name, "shares": dict(each.shares)} for each in outcomes],
            }
        )
        return
    print_table(("image", "classes by share"), [(each.name, _shares(each)) for each in outcomes])
    print_out(
        f"version {version.version} of {version.name}; masks, overlays and shares.csv in {out}"
    )


def _shares(outcome: Outcome) -> str:
    top = sorted(outcome.shares.items(), key=lambda item: -item[1])[:5]
    return ", ".join(f"{name} {share:.1%}" for name, share in top if share > 0)
