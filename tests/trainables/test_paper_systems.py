"""Every system of the papers trains, is checkpointed and read back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from search_spaces.config import TrialConfig
from search_spaces.resolution import Resolution
from trainables.config import TargetConfig, TrainingConfig
from trainables.data.dataset import build_datasets
from trainables.data.transforms import network_inputs
from trainables.distillation.soft_labels import ensure_soft_labels
from trainables.models.build import build_model
from trainables.session.local import LocalSession
from trainables.session.messages import TrialTask
from trainables.training.checkpoint import BEST_WEIGHTS, load_weights, save_weights
from trainables.trial import run_trial

if TYPE_CHECKING:
    from pathlib import Path

    from trainables.config import DataConfig

pytestmark = pytest.mark.slow

SYSTEMS: dict[str, dict[str, Any]] = {
    "malyshev-student": {
        "arch": "deeplabv3",
        "backbone": "resnet18",
        "output_stride": 32,
        "schedule": "step",
        "distill_alpha": 0.5,
    },
    "kim-shrunk": {"backbone": "mobilenet_v3_large", "width": 0.5, "decoder_convs": 2},
    "kim-cut": {"backbone": "mobilenet_v3_large", "last_expansion": False, "decoder_convs": 2},
    "chouti": {"backbone": "mobilenet_v2", "output_stride": 32, "optimizer": "sgd"},
    "segformer": {"arch": "smp/Segformer", "backbone": "smp/mit_b0", "distill_alpha": 0.5},
    "renaud": {
        "arch": "deconvnet",
        "backbone": "mobilenet_v3_small",
        "schedule": "cosine",
        "distill_alpha": 0.5,
    },
    "lraspp": {"arch": "lraspp", "backbone": "mobilenet_v3_large", "distill_alpha": 0.5},
}


@pytest.fixture(scope="module")
def soft_labels(
    tiny_data: DataConfig, tiny_cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """Return the soft labels of a mirrored teacher that has learnt nothing."""
    torch.manual_seed(0)
    values: dict[str, Any] = {
        "arch": "deconvnet",
        "backbone": "mobilenet_v3_small",
        "resolution": "32x64",
    }
    model = build_model(TrialConfig.from_mapping(values), 3)
    names = ["ground", "wall", "sky"]
    facts = {"config": values, "class_names": names, "miou": 0.4, "dataset": "0"}
    path = tmp_path_factory.mktemp("mirror") / "teacher.safetensors"
    save_weights(path, model.state_dict(), facts)
    return str(ensure_soft_labels(path, tiny_data, tiny_cache))


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_system_trains_is_kept_and_read_back(
    name: str, tiny_data: DataConfig, tiny_cache: Path, tmp_path: Path, soft_labels: str
) -> None:
    if name == "segformer":
        pytest.importorskip("segmentation_models_pytorch")
    config = {"resolution": "32x64", "batch_size": 4, **SYSTEMS[name]}
    task = TrialTask(
        sweep_id="s",
        trial_id="t0",
        config=config,
        seed=3,
        epochs=1,
        data=tiny_data,
        training=TrainingConfig(threads=1, sample_images=1),
        target=TargetConfig(warmup=0, repeats=1, rounds=1),
        cache_dir=str(tiny_cache),
        output_dir=str(tmp_path),
        soft_labels=soft_labels if "distill_alpha" in config else None,
    )
    done = run_trial(task, LocalSession())
    assert (done.state, done.reason) == ("complete", "")
    assert {"miou", "macs", "latency_ms", "mae_50", "mae_50_95"} <= set(done.metrics)

    weights, facts = load_weights(tmp_path / BEST_WEIGHTS)
    typed = TrialConfig.from_mapping(facts["config"])
    assert typed == TrialConfig.from_mapping(config)
    model = build_model(typed, 3)
    model.load_state_dict(weights)
    _, val = build_datasets(tiny_data, Resolution(32, 64), tiny_cache)
    with torch.inference_mode():
        logits = model.eval()(network_inputs(val.batch([0]))["image"])
    assert logits.shape == (1, 3, 32, 64)
    assert torch.isfinite(logits).all()
