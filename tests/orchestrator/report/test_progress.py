from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.ledger.events import (
    EpochReported,
    SweepEvent,
    TrialAsked,
    TrialEnded,
    TrialProfiled,
    TrialStarted,
)
from orchestrator.ledger.records import RecordBook
from orchestrator.report.progress import ProgressModel, describe
from orchestrator.spec.objectives import Objective

if TYPE_CHECKING:
    from search_spaces.space import Config

OBJECTIVES = (Objective("miou", "maximize"), Objective("latency_ms", "minimize"))


def _model(trials: int = 4, epochs: int = 2) -> ProgressModel:
    return ProgressModel(trials=trials, epochs=epochs, objectives=OBJECTIVES)


BOOKS: WeakKeyDictionary[ProgressModel, RecordBook] = WeakKeyDictionary()


def _feed(model: ProgressModel, *events: SweepEvent) -> None:
    book = BOOKS.setdefault(model, RecordBook())
    for event in events:
        model.on_event(event, book.observe(event))


def _ask(number: int) -> TrialAsked:
    return TrialAsked(
        trial_id=f"t{number}",
        number=number,
        config={"arch": "deeplabv3", "output_stride": 16},
        known={"flops": 2.5e9},
    )


def _whole(number: int, miou: float, latency: float) -> list[SweepEvent]:
    name = f"t{number}"
    return [
        _ask(number),
        TrialStarted(trial_id=name),
        TrialProfiled(trial_id=name, metrics={"latency_ms": latency}),
        EpochReported(trial_id=name, epoch=1, metrics={"miou": miou / 2}),
        EpochReported(trial_id=name, epoch=2, metrics={"miou": miou}),
        TrialEnded(trial_id=name, state="complete", metrics={"miou": miou, "latency_ms": latency}),
    ]


def test_before_the_first_event_there_is_nothing_but_the_plan() -> None:
    view = _model().view(3.0)
    assert (view.rows, view.done, view.total, view.best) == ((), 0, 4, None)
    assert (view.hypervolume_share, view.left, view.elapsed) == (None, None, 3.0)


def test_a_row_follows_its_trial() -> None:
    model = _model()
    _feed(model, *_whole(0, 0.4, 5.0)[:4])
    (row,) = model.view(1.0).rows
    assert (row.trial_id, row.state, row.epoch, row.epochs) == ("t0", "running", 1, 2)
    assert (row.miou, row.latency_ms, row.gflops) == (0.2, 5.0, 2.5)
    assert row.config == "deeplabv3 os16"


def test_the_best_so_far_is_the_best_epoch_of_a_trial_that_was_not_ruled_out() -> None:
    model = _model()
    _feed(
        model,
        *_whole(0, 0.4, 5.0),
        _ask(1),
        EpochReported(trial_id="t1", epoch=1, metrics={"miou": 0.5}),
        EpochReported(trial_id="t1", epoch=2, metrics={"miou": 0.45}),
        _ask(2),
        EpochReported(trial_id="t2", epoch=1, metrics={"miou": 0.9}),
        TrialEnded(trial_id="t2", state="infeasible", reason="too big"),
    )
    best = model.view(1.0).best
    assert best is not None
    assert (best.trial_id, best.miou) == ("t1", 0.5)


def test_the_hypervolume_is_that_of_the_complete_trials() -> None:
    model = _model()
    _feed(model, *_whole(0, 0.5, 4.0), *_whole(1, 0.25, 2.0))
    # reference point: mIoU 0, latency 4 + a tenth of the range 2
    by_hand = 0.5 * (4.2 - 4.0) + 0.25 * (4.0 - 2.0)
    view = model.view(1.0)
    assert view.hypervolume_share == pytest.approx(by_hand / 4.2)


def test_what_the_gate_settled_is_counted_apart() -> None:
    model = _model()
    _feed(model, _ask(0), TrialEnded(trial_id="t0", state="infeasible", reason="latency"))
    view = model.view(1.0)
    assert (view.gated, view.done, view.rows) == (1, 0, ())


def test_time_left_goes_by_epochs() -> None:
    model = _model(trials=4, epochs=2)
    _feed(
        model,
        _ask(0),
        TrialStarted(trial_id="t0", seconds=100),
        EpochReported(trial_id="t0", epoch=1, metrics={"miou": 0.1}, seconds=110),
    )
    assert model.view(0.0).left == pytest.approx(70)  # 7 epochs of 10 s, one trial at a time
    _feed(model, _ask(1), TrialStarted(trial_id="t1", seconds=110))
    assert model.view(0.0).left == pytest.approx(40)  # two lanes: 10 + 20 s, 20 + 20 s
    _feed(model, TrialEnded(trial_id="t0", state="stopped", seconds=120))
    assert model.view(0.0).left == pytest.approx(2 * 20)  # three of one epoch of 20 s on two lanes


def test_time_left_is_none_before_the_first_epoch() -> None:
    model = _model()
    _feed(model, _ask(0), TrialStarted(trial_id="t0", seconds=5))
    assert model.view(9.0).left is None


def test_a_preempted_trial_is_not_done() -> None:
    model = _model()
    _feed(
        model,
        *_whole(0, 0.4, 5.0)[:4],
        TrialEnded(trial_id="t0", state="preempted", reason="node lost"),
    )
    view = model.view(1.0)
    assert (view.done, view.counts["preempted"]) == (0, 1)


def test_a_configuration_in_a_few_words() -> None:
    config: Config = {
        "arch": "deeplabv3plus",
        "learning_rate": 0.00123,
        "batch_size": 8,
        "dropout": 0.1,
    }
    assert describe(config) == "deeplabv3plus bs8 lr0.0012"


states = st.sampled_from(["complete", "stopped", "failed", "infeasible", "preempted"])


@given(
    st.lists(st.tuples(st.integers(0, 2), states, st.floats(0, 1)), min_size=1, max_size=6),
    st.floats(0, 1e4),
)
def test_the_picture_always_adds_up(trials: list[tuple[int, str, float]], seconds: float) -> None:
    model = _model(trials=len(trials), epochs=2)
    for number, (epochs, state, miou) in enumerate(trials):
        events = _whole(number, miou, 1.0 + number)[: 3 + epochs]
        metrics = {"miou": miou, "latency_ms": 1.0 + number}
        end = TrialEnded(trial_id=f"t{number}", state=state, metrics=metrics)  # type: ignore[arg-type]
        _feed(model, *events, end)
    view = model.view(seconds)
    assert len(view.rows) + view.gated == len(trials)
    assert 0 <= view.done <= view.total
    assert sum(view.counts.values()) == len(trials)
    assert view.left is None or view.left >= 0
    assert (view.hypervolume_share is None) == (view.counts["complete"] == 0)


def test_the_hypervolume_is_measured_from_the_point_that_the_sweep_keeps() -> None:
    model = ProgressModel(
        trials=4,
        epochs=2,
        objectives=OBJECTIVES,
        reference_point={"miou": 0.0, "latency_ms": 20.0},
    )
    _feed(model, *_whole(0, 0.5, 10.0))
    assert model.view(1.0).hypervolume_share == pytest.approx(0.5 * 10 / 20)


def test_the_time_left_is_that_of_the_budget_that_ends_first() -> None:
    model = ProgressModel(
        trials=1000, epochs=2, objectives=OBJECTIVES, device_hours=1.0, workers_per_trial=2
    )
    _feed(
        model,
        _ask(0),
        TrialStarted(trial_id="t0", seconds=0),
        EpochReported(trial_id="t0", epoch=1, metrics={"miou": 0.1}, seconds=100),
    )
    view = model.view(0.0)
    # 3600 worker-seconds are 1800 s of the one lane: nine trials of 200 s, half of the first over.
    assert view.left == pytest.approx(1700)
    assert view.ends_by == "device_hours"
