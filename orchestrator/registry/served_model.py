"""The MLflow model that a registered version is loaded as.

MLflow copies this file into the model (models from code) and runs it where the model is loaded, so
it imports nothing of its own package.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import mlflow
import numpy as np  # noqa: TC002 - MLflow reads the type hints when it runs this file
from mlflow.pyfunc.model import PythonModel, PythonModelContext

FILES = "files"
"""Name of the artifact that holds program, description and predictor."""


class SegmentationModel(PythonModel):
    """Class masks of RGB images."""

    predictor: Any
    """The packed model's own predictor."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the program with the code that was packed beside it."""
        folder = Path(context.artifacts[FILES])
        # by its path, so that models packed by different releases live in one process
        spec = importlib.util.spec_from_file_location("packed_predictor", folder / "predictor.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{folder / 'predictor.py'} is not there; download the model again")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.predictor = module.Predictor.load(folder)

    def predict(
        self,
        context: PythonModelContext,  # noqa: ARG002 - MLflow's own signature
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Return the class of every pixel, uint8 [N, H, W].

        Args:
            context: Where the model's files are.
            model_input: RGB images of one size, uint8 [N, H, W, 3].
            params: ``mode``, ``overlap``, ``zoom``, ``batch_size`` of the predictor.
        """
        masks: np.ndarray = self.predictor.masks(model_input, **(params or {}))
        return masks


mlflow.models.set_model(SegmentationModel())
