"""A tracking store in a folder whose name an address would read another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.registry.loading import global_store
from orchestrator.spec.text import sqlite_uri
from orchestrator.tracking.client import artifact_location, connect, find_experiment

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
WEIRD = "we?ird #1 100% ü'\";&=+@[x]{y}$HOME"


@pytest.mark.parametrize("experiment", ["/Shared/seg", "../../x", "50%?#"])
def test_runs_and_models_stay_in_the_folder(experiment: str, tmp_path: Path) -> None:
    root = tmp_path / "base" / WEIRD
    root.mkdir(parents=True)
    before = {path for path in tmp_path.rglob("*") if not path.is_relative_to(root)}
    uri = sqlite_uri(root / "mlflow.db")
    client = connect(uri)
    location = artifact_location(uri, root / "mlartifacts", experiment)
    experiment_id = find_experiment(client, experiment, location)
    assert client.get_experiment(experiment_id).name == experiment
    run = client.create_run(experiment_id, run_name="night/drive: v1.0")
    assert run.info.run_name == "night/drive: v1.0"
    client.log_text(run.info.run_id, "spec", "spec.yaml")
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["spec.yaml"]
    model = client.create_logged_model(experiment_id, name="m", source_run_id=run.info.run_id)
    file = tmp_path / "base" / "MLmodel"
    file.write_text("flavors: {}\nmodel_uuid: x\n")
    client.log_model_artifact(model.model_id, str(file))
    file.unlink()
    client.finalize_logged_model(model.model_id, "READY")
    client.create_registered_model("m")
    with global_store(uri):
        import mlflow

        client.create_model_version("m", f"models:/{model.model_id}", model_id=model.model_id)
        copy = mlflow.artifacts.download_artifacts("models:/m/1", dst_path=str(tmp_path / "copy"))
        with pytest.raises(mlflow.MlflowException, match="python_function"):  # it was found
            mlflow.pyfunc.load_model("models:/m/1")
    assert (tmp_path / "copy" / "MLmodel").exists(), copy
    after = {path for path in tmp_path.rglob("*") if not path.is_relative_to(root)}
    after -= {tmp_path / "copy", *(tmp_path / "copy").rglob("*")}
    assert after == before
