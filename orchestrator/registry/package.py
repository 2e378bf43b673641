"""A packed model in the form in which MLflow keeps and loads it."""

from __future__ import annotations

import importlib.metadata
import logging
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.tracking.client import tracking_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

REQUIRED = ("mlflow", "torch", "numpy", "pillow")
"""All that a registered model needs to be loaded."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """What is registered."""

    files: Path
    """Folder with the program, its description and its predictor."""
    example: NDArray[np.uint8]
    """Input example: RGB images, uint8 [N, H, W, 3]."""
    metadata: Mapping[str, object]
    """What the model says of itself: class names, preprocessing, ..."""


def save_mlflow_model(
    source: ModelSource, folder: Path, *, run_id: str | None, model_id: str
) -> None:
    """Write the model of ``source`` to ``folder``, which must not exist, for ``pyfunc`` to load.

    It carries its signature, an input example, its class names, its preprocessing and pinned
    requirements. The code is kept as text (models from code), the weights as an exported program.

    Raises:
        TrackingError: MLflow refuses the model.
    """
    with tracking_errors("write the model"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: PLC0415 - takes two seconds
        from mlflow.models import Model  # noqa: PLC0415

        for chatty in ("mlflow.pyfunc", "mlflow.utils.environment"):
            logging.getLogger(chatty).setLevel(logging.ERROR)
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=str(Path(__file__).with_name("served_model.py")),
            artifacts={"files": str(source.files)},
            signature=_signature(),
            input_example=source.example,
            pip_requirements=requirements(),
            metadata=dict(source.metadata),
            mlflow_model=Model(run_id=run_id, model_id=model_id),
        )


def requirements() -> list[str]:
    """Return what the model needs, each pinned to the version here, builds for devices left out."""
    return [f"{name}=={importlib.metadata.version(name).split('+')[0]}" for name in REQUIRED]


def _signature() -> object:
    import numpy as np  # noqa: PLC0415
    from mlflow.models import ModelSignature  # noqa: PLC0415
    from mlflow.types import DataType, ParamSchema, ParamSpec, Schema, TensorSpec  # noqa: PLC0415

    byte = np.dtype(np.uint8)
    return ModelSignature(
        inputs=Schema([TensorSpec(byte, (-1, -1, -1, 3))]),
        outputs=Schema([TensorSpec(byte, (-1, -1, -1))]),
        params=ParamSchema(
            [
                ParamSpec("mode", DataType.string, "resize"),
                ParamSpec("overlap", DataType.double, 0.25),
                ParamSpec("zoom", DataType.double, 0.0),
                ParamSpec("batch_size", DataType.long, 8),
            ]
        ),
    )
