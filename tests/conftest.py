"""Fixtures that several packages' tests share."""

from __future__ import annotations

import gc
import math
import random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from hypothesis import settings

from orchestrator.ledger.events import (
    EpochReported,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.records import RecordBook
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.ledger.events import SweepEvent

settings.register_profile("segsweep", deadline=None)  # a slow machine is no fault of ours
settings.load_profile("segsweep")


def pytest_collection_finish() -> None:
    """Leave the imported modules out of garbage collection.

    A full collection costs about 0.4 s with them, and trials and Hypothesis cause many.
    """
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Let the interpreter free all modules at its end; nanobind lists those it finds alive."""
    gc.unfreeze()


_BACKBONES = {  # GMACs at 96x128, reachable mIoU
    "mobilenet_v3_small": (0.25, 0.44),
    "mobilenet_v3_large": (0.7, 0.52),
    "mobilenet_v2": (0.9, 0.53),
    "resnet18": (2.4, 0.58),
    "resnet50": (6.0, 0.64),
}


@pytest.fixture
def publish() -> Callable[..., None]:
    """Return a function that sends events to a listener with their records, as a sweep does."""
    book = RecordBook()

    def send(listener: Any, *events: SweepEvent, **how: bool) -> None:
        for event in events:
            listener.on_event(event, book.observe(event), **how)

    return send


@pytest.fixture(scope="session")
def objectives() -> tuple[Objective, ...]:
    return (
        Objective("miou", "maximize"),
        Objective("latency_ms", "minimize"),
        Objective("flops", "minimize"),
    )


@pytest.fixture(scope="session")
def demo_events() -> Callable[..., list[SweepEvent]]:
    """Return a function that makes the events of a plausible sweep from a seed."""

    def make(trials: int = 12, *, seed: int = 0, epochs: int = 4) -> list[SweepEvent]:
        rng = random.Random(seed)
        return [event for number in range(trials) for event in _trial_events(number, rng, epochs)]

    return make


def _trial_events(number: int, rng: random.Random, epochs: int) -> list[SweepEvent]:
    trial_id, at = f"t{number:05d}", number * 40.0
    config = _config(rng)
    gmacs, best = _BACKBONES[str(config["backbone"])]
    share = gmacs * (2.0 if config["resolution"] == "192x256" else 1.0) * rng.uniform(0.8, 1.2)
    top = best + (0.03 if config["resolution"] == "192x256" else 0) - rng.uniform(0, 0.1)
    known = {"macs": share * 1e9, "flops": 2 * share * 1e9, "params": gmacs * 4e6}
    events: list[SweepEvent] = [
        TrialAsked(trial_id=trial_id, number=number, config=config, known=known, seconds=at)
    ]
    if number % 6 == 5:
        reason = "params = 2.4e+07 breaks params <= 2e+07"
        return [
            *events,
            TrialEnded(trial_id=trial_id, state="infeasible", reason=reason, seconds=at + 1),
        ]
    events += [
        TrialStarted(trial_id=trial_id, seconds=at + 1),
        TrialProfiled(
            trial_id=trial_id,
            metrics={"latency_ms": 3 + 9 * share * rng.uniform(0.9, 1.1), "latency_iqr_ms": 0.2},
            details={"device": "cpu", "threads": 1, "batch_size": 1},
            seconds=at + 3,
        ),
    ]
    stopped = number % 4 == 3
    last = 1 if stopped else epochs
    for epoch in range(1, last + 1):
        metrics = _epoch(top, epoch / epochs)
        events.append(
            EpochReported(trial_id=trial_id, epoch=epoch, metrics=metrics, seconds=at + 5 * epoch)
        )
    final = {"miou": _epoch(top, last / epochs)["miou"] - 0.004, "size_mb": gmacs * 8}
    events.append(
        TrialEnded(
            trial_id=trial_id,
            state="stopped" if stopped else "complete",
            reason="ranked 3 of 3 at rung 1" if stopped else "",
            metrics={} if stopped else final,
            artifacts=() if stopped else ("predictions.png", "per_class_iou.json"),
            seconds=at + 5 * last + 2,
        )
    )
    return events


def _config(rng: random.Random) -> dict[str, Any]:
    return {
        "arch": rng.choice(["deeplabv3", "deeplabv3plus"]),
        "backbone": rng.choice(list(_BACKBONES)),
        "output_stride": rng.choice([8, 16, 32]),
        "resolution": rng.choice(["96x128", "192x256"]),
        "batch_size": rng.choice([4, 8, 16]),
        "learning_rate": round(10 ** rng.uniform(-4, -2), 6),
        "optimizer": rng.choice(["adamw", "sgd"]),
        "distill_alpha": round(rng.random(), 3),
        "quantization": rng.choice(["none", "fp16", "ptq_int8"]),
    }


def _epoch(top: float, share: float) -> dict[str, float]:
    return {
        "train_loss": 2.2 * math.exp(-1.5 * share),
        "val_loss": 2.3 * math.exp(-1.3 * share),
        "miou": top * (1 - math.exp(-2.5 * share)),
        "pixel_accuracy": 0.95 * (1 - math.exp(-3 * share)),
        "learning_rate": 1e-3 * (1 - share) ** 0.9,
        "epoch_seconds": 5.0,
    }


@pytest.fixture(scope="session")
def s3_environment() -> Iterator[dict[str, str]]:
    """Return the environment of a real S3 server here with the bucket ``tests``."""
    from tests.s3_server import s3_server

    with s3_server("tests") as environment:
        yield environment


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def store_address(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """Return an empty place in an object store: a folder, or one on a real S3 server."""
    if request.param == "file":
        return f"file://{tmp_path}/mirror"
    for name, value in request.getfixturevalue("s3_environment").items():
        monkeypatch.setenv(name, value)
    return f"s3://tests/{uuid4().hex}"
