"""Loads a registered model for prediction."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.registry.global_store import global_store
from orchestrator.tracking.client import connect, tracking_errors

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestrator.registry.versions import ModelVersion


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
