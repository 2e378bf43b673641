"""Writes a packed model as an MLflow model."""

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
"""Packages that a registered model needs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelSource:
    """Files and metadata of a model to register."""

    files: Path
    """Folder with program, description and predictor."""
    example: NDArray[np.uint8]
    """Input example: RGB images, uint8 [N, H, W, 3]."""
    metadata: Mapping[str, object]
    """Description of the model: class names, preprocessing, costs."""


def save_mlflow_model(
    source: ModelSource, folder: Path, *, run_id: str | None, model_id: str
) -> None:
    """Write the model of ``source`` to ``folder``, which must not exist, as a pyfunc model.

    It has a signature, an input example, class names, preprocessing and pinned requirements. The
    code is stored as text (models from code), the weights as an exported program; no pickles.

    Raises:
        TrackingError: MLflow rejects the model.
    """
    with tracking_errors("write the model"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: PLC0415 - takes two seconds
        from mlflow.models import Model  # noqa: PLC0415

        for logger in ("mlflow.pyfunc", "mlflow.utils.environment"):
            logging.getLogger(logger).setLevel(logging.ERROR)
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
    """Return the required packages pinned to the installed versions, without local build tags."""
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
