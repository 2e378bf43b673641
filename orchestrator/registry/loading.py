"""Writes a packed model as an MLflow model, and loads a registered one for prediction."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.tracking.client import connect, tracking_errors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.registry.versions import ModelVersion

_VARIABLES = ("MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI")


@contextmanager
def global_store(uri: str) -> Iterator[None]:
    """Set ``uri`` as the store of MLflow's global functions during the block.

    MLflow also sets environment variables for child processes. Both are restored.
    """
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow  # noqa: PLC0415 - takes two seconds

    before = {name: os.environ.get(name) for name in _VARIABLES}
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        # None resets the store, so that MLflow reads the environment again
        mlflow.set_tracking_uri(None)  # type: ignore[arg-type]
        mlflow.set_registry_uri(None)  # type: ignore[arg-type]
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


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


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """A version of a registered model, loaded by ``mlflow.pyfunc``."""

    version: ModelVersion
    """The version."""
    class_names: tuple[str, ...]
    """Class names by class id."""
    _model: Any

    def predict(self, images: NDArray[np.uint8], **params: object) -> NDArray[np.uint8]:
        """Return the class of every pixel, uint8 [N, H, W], of RGB images, uint8 [N, H, W, 3].

        Args:
            images: Images of one size.
            params: Params of the model's signature: ``mode``, ``overlap``, ``zoom``,
                ``batch_size``.
        """
        masks: NDArray[np.uint8] = self._model.predict(images, params=params)
        return masks


def load_registered(uri: str, version: ModelVersion) -> RegisteredModel:
    """Load ``version`` from the store at ``uri``.

    Raises:
        TrackingError: its files cannot be downloaded or loaded.
    """
    connect(uri)
    what = f"load version {version.version} of {version.name}"
    with tracking_errors(what), warnings.catch_warnings(), global_store(uri):
        warnings.simplefilter("ignore")
        import mlflow.pyfunc  # noqa: PLC0415 - takes two seconds

        model = mlflow.pyfunc.load_model(f"models:/{version.name}/{version.version}")
    names = (model.metadata.metadata or {}).get("class_names", ())
    return RegisteredModel(version, tuple(str(name) for name in names), model)
