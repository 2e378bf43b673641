"""The pyfunc model of a registered version.

MLflow copies this file into the model (models from code) and runs it when the model is loaded, so
it imports nothing of this package.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import mlflow
import numpy as np  # noqa: TC002 - MLflow reads the type hints when it runs this file
from mlflow.pyfunc.model import PythonModel, PythonModelContext

FILES = "files"
"""Artifact with program, description and predictor."""


class SegmentationModel(PythonModel):
    """Predicts class masks of RGB images."""

    predictor: Any
    """Predictor of the packed model."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the program and the predictor's code from the artifacts."""
        folder = Path(context.artifacts[FILES])
        # by path, so that models of different releases can be loaded in one process
        spec = importlib.util.spec_from_file_location("packed_predictor", folder / "predictor.py")
        if spec is None or spec.loader is None:
            raise ImportError(f"{folder / 'predictor.py'} does not exist; download the model again")
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
            context: Paths of the artifacts.
            model_input: RGB images of one size, uint8 [N, H, W, 3].
            params: Params of the predictor: ``mode``, ``overlap``, ``zoom``, ``batch_size``.
        """
        masks: np.ndarray = self.predictor.masks(model_input, **(params or {}))
        return masks


mlflow.models.set_model(SegmentationModel())
