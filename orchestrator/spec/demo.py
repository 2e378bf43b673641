"""The spec of a sweep that runs without a file."""

from __future__ import annotations


def demo_settings() -> dict[str, object]:
    """Return the demo's settings: some minutes on two cores, without downloads.

    It generates street scenes, trains a small teacher, then smaller students. Only the knee point
    is exported, which takes about half a minute.
    """
    return {
        "name": "demo",
        "data": {
            "format": "synthetic",
            "synthetic_train_images": 128,
            "synthetic_val_images": 48,
        },
        "teacher": {
            "arch": "deeplabv3plus",
            "backbone": "resnet18",
            "output_stride": 16,
            "resolution": "96x128",
            "epochs": 3,
            "batch_size": 8,
            "learning_rate": 2e-3,
        },
        "space": "demo",
        "budget": {"trials": 14, "epochs": 3},
        "search": {"grace_period": 2, "reduction_factor": 1.25},
        "target": {"warmup": 2, "repeats": 9},
        "artifacts": {"trials": "knee"},
    }
