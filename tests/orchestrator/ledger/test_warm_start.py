from __future__ import annotations

import math
import pickle
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.ledger.events import EpochReported, TrialAsked, TrialEnded
from orchestrator.ledger.history import EarlierSweep, EarlierTrial, read_config
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.warm_start import (
    WarmStartError,
    check_warm_start,
    find_warm_start,
    recorded_warm_start,
    settle_warm_start,
    warm_events,
)
from orchestrator.search.searchers.base import SearchProblem
from orchestrator.search.searchers.registry import make_searcher
from orchestrator.spec.parse import dump_spec, load_spec
from orchestrator.spec.sweep_spec import searcher_names
from search_spaces.space import config_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.spec.sweep_spec import SweepSpec
    from search_spaces.space import Config


SPEC = load_spec(
    overrides=[
        "teacher=null",
        "budget.epochs=3",
        "space={arch: [deeplabv3, lraspp], learning_rate: {low: 1e-4, high: 1e-2, log: true}}",
    ]
)
FIGURES = {"miou": 0.4, "latency_ms": 7.0, "flops": 2e9, "params": 3e6}


def past_trial(
    config: Config, *, number: int = 0, epochs: int = 3, complete: bool = True
) -> EarlierTrial:
    return EarlierTrial(
        sweep_id="old-1",
        trial_id=f"t{number:05d}",
        params={name: str(value) for name, value in config.items()},
        metrics=FIGURES,
        complete=complete,
        curve=tuple((epoch, 0.1 * epoch) for epoch in range(1, epochs + 1)),
    )


def past_sweep(sweep_id: str = "old-1", digest: str | None = "d", **changes: str) -> EarlierSweep:
    spec = replace(SPEC, target=replace(SPEC.target, **changes)) if changes else SPEC  # type: ignore[arg-type]
    return EarlierSweep(
        sweep_id=sweep_id,
        dataset_digest=digest,
        spec_text=dump_spec(spec),
        experiment_id="1",
        run_id=sweep_id,
    )


@dataclass
class Shelf:
    """Earlier sweeps in memory, with the number of times that they were read."""

    kept: Mapping[str, tuple[EarlierSweep, tuple[EarlierTrial, ...]]]
    readings: int = 0

    def sweeps(self) -> tuple[EarlierSweep, ...]:
        self.readings += 1
        return tuple(sweep for sweep, _ in self.kept.values())

    def trials(self, sweep: EarlierSweep) -> tuple[EarlierTrial, ...]:
        return self.kept[sweep.sweep_id][1]


def configs(count: int) -> list[Config]:
    rng = np.random.default_rng(5)
    return [SPEC.space.sample(rng) for _ in range(count)]


def shelf(count: int = 4, *, digest: str = "d", **changes: str) -> Shelf:
    trials = tuple(past_trial(c, number=i) for i, c in enumerate(configs(count)))
    return Shelf({"old-1": (past_sweep(digest=digest, **changes), trials)})


def starting_from(what: bool | tuple[str, ...]) -> SweepSpec:  # noqa: FBT001
    return replace(SPEC, search=replace(SPEC.search, warm_start=what))


@pytest.mark.parametrize("config", configs(20))
def test_a_configuration_reads_back_from_its_text(config: Config) -> None:
    texts = {name: str(value) for name, value in config.items()}
    read = read_config(texts, SPEC.space)
    assert read == config
    assert config_digest(read or {}) == config_digest(config)


def test_what_is_no_point_of_the_space_is_left_out() -> None:
    texts = {name: str(value) for name, value in configs(1)[0].items()}
    assert read_config({**texts, "learning_rate": "0.5"}, SPEC.space) is None
    assert read_config({**texts, "learning_rate": "much"}, SPEC.space) is None
    assert read_config({**texts, "arch": "unet"}, SPEC.space) is None
    assert read_config({**texts, "temperature": "2.0"}, SPEC.space) is None
    assert read_config({}, SPEC.space) is None


@pytest.mark.parametrize(
    ("epochs", "told", "state", "miou"),
    [(3, 3, "complete", 0.4), (2, 2, "stopped", None), (5, 3, "complete", pytest.approx(0.3))],
)
def test_a_trial_of_another_length_is_told_as_what_it_is(
    epochs: int, told: int, state: str, miou: float | None
) -> None:
    events = warm_events(
        [past_trial(configs(1)[0], epochs=epochs)], SPEC.space, SPEC.objectives, epochs=3
    )
    assert sum(isinstance(event, EpochReported) for event in events) == told
    asked, ended = events[0], events[-1]
    assert isinstance(asked, TrialAsked)
    assert asked.known == {"flops": 2e9, "params": 3e6}
    assert isinstance(ended, TrialEnded)
    assert (ended.state, ended.metrics.get("miou")) == (state, miou)
    assert {event.trial_id for event in events} == {"w00000"}


def test_trials_without_an_objective_and_copies_are_left_out() -> None:
    one, other = configs(2)
    lacking = replace(past_trial(other), metrics={"miou": 0.4, "flops": 1e9})
    trials = [past_trial(one), past_trial(one, number=1), lacking]
    events = warm_events(trials, SPEC.space, SPEC.objectives, epochs=3)
    assert [event.config for event in events if isinstance(event, TrialAsked)] == [one]


@pytest.mark.parametrize("epochs", [2, 3, 5])
def test_a_stopped_trial_is_told_with_its_curve_as_far_as_it_counts(epochs: int) -> None:
    stopped = replace(
        past_trial(configs(1)[0], epochs=epochs, complete=False), metrics={"latency_ms": 7.0}
    )
    events = warm_events([stopped], SPEC.space, SPEC.objectives, epochs=3)
    told = [event.epoch for event in events if isinstance(event, EpochReported)]
    assert told == [1, 2, 3][:epochs]
    ended = events[-1]
    assert isinstance(ended, TrialEnded)
    assert (ended.state, ended.metrics) == ("stopped", {})


def test_of_several_trials_of_a_configuration_the_longest_counts() -> None:
    one, other = configs(2)
    trials = [
        past_trial(one, number=0, epochs=2, complete=False),
        past_trial(other, number=1),
        past_trial(one, number=2),
        past_trial(one, number=3, epochs=1, complete=False),
    ]
    events = warm_events(trials, SPEC.space, SPEC.objectives, epochs=3)
    ends = [event for event in events if isinstance(event, TrialEnded)]
    assert [event.config for event in events if isinstance(event, TrialAsked)] == [one, other]
    assert [event.reason.split()[1] for event in ends] == ["t00002", "t00001"]


def find(spec: SweepSpec, history: Shelf) -> int:
    return find_warm_start(spec, history, sweep_id="new-1", dataset_digest="d").trials


def test_only_sweeps_that_compare_are_taken() -> None:
    assert find(starting_from(what=True), shelf()) == 4
    assert find(starting_from(what=True), shelf(digest="e")) == 0
    assert find(starting_from(what=True), shelf(name="onnxruntime-cpu")) == 0
    assert find(starting_from(("old-1",)), shelf()) == 4
    check_warm_start(starting_from(("old-1",)), shelf(), dataset_digest="d")


def test_no_sweep_is_looked_for_where_none_is_named() -> None:
    history = shelf()
    for wanted in (True, False):
        check_warm_start(starting_from(what=wanted), history, dataset_digest="d")
    assert not history.readings


@pytest.mark.parametrize(
    ("named", "history", "why"),
    [
        (("gone",), shelf(), "gone is not in the tracking store, which has old-1"),
        (("old-1",), shelf(digest="e"), "old-1 ran on another data set"),
        (("old-1",), shelf(name="onnxruntime-cpu"), "old-1 has other target"),
    ],
)
def test_a_named_sweep_that_cannot_be_taken_is_an_error(
    named: tuple[str, ...], history: Shelf, why: str
) -> None:
    with pytest.raises(WarmStartError, match=why) as caught:
        find(starting_from(named), history)
    with pytest.raises(WarmStartError, match=why):
        check_warm_start(starting_from(named), history, dataset_digest="d")
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert str(again) == str(caught.value)


def test_a_resumed_sweep_starts_from_what_it_started_from(tmp_path: Path) -> None:
    spec, history = starting_from(what=True), shelf()
    with Ledger(tmp_path / "ledger.db") as ledger:
        first = settle_warm_start(spec, ledger, history, sweep_id="new-1", dataset_digest="d")
    with Ledger(tmp_path / "ledger.db") as ledger:
        history.kept = {}
        again = settle_warm_start(spec, ledger, history, sweep_id="new-1", dataset_digest="d")
        assert recorded_warm_start(ledger) == again == first
    assert first.trials == 4
    assert history.readings == 1


def test_a_sweep_that_began_without_goes_on_without(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.db") as ledger:
        ledger.append(TrialAsked(trial_id="t00000", number=0, config=configs(1)[0]))
        spec = starting_from(what=True)
        found = settle_warm_start(spec, ledger, shelf(), sweep_id="new-1", dataset_digest="d")
        assert not found.events


def test_without_the_setting_nothing_is_read(tmp_path: Path) -> None:
    history = shelf()
    with Ledger(tmp_path / "ledger.db") as ledger:
        found = settle_warm_start(SPEC, ledger, history, sweep_id="n", dataset_digest="d")
        assert not found.events
        assert ledger.fact("warm_start") is None
    assert not history.readings


@pytest.mark.parametrize("name", searcher_names())
def test_a_searcher_proposes_none_again_but_those_that_were_not_trained_to_their_end(
    name: str,
) -> None:
    spec = load_spec(
        overrides=["teacher=null", "space={arch: [deeplabv3, lraspp], batch_size: [4, 8]}"]
    )
    every = list(spec.space.points())
    assert len(every) == 4
    trials = [
        past_trial(config, number=i, complete=i > 0, epochs=[1, 2, 3][i])
        for i, config in enumerate(every[:3])
    ]
    problem = SearchProblem(
        space=spec.space,
        objectives=spec.objectives,
        max_epochs=3,
        earlier=warm_events(trials, spec.space, spec.objectives, epochs=3),
    )
    searcher = make_searcher(name, problem)
    proposed: list[Config] = []
    while (config := searcher.propose(len(proposed))) is not None:
        searcher.observe(TrialAsked(trial_id=str(len(proposed)), number=0, config=config))
        proposed.append(config)
    assert sorted(map(str, proposed)) == sorted(map(str, [*every[:2], every[3]]))


def test_a_trial_that_had_diverged_teaches_nothing() -> None:
    """Earlier releases recorded it as complete, with the mIoU of class 0 everywhere."""
    first, second = configs(2)
    diverged = replace(past_trial(first), metrics={**FIGURES, "mae_50": 0.0, "val_loss": math.nan})
    events = warm_events(
        [diverged, past_trial(second, number=1)], SPEC.space, SPEC.objectives, epochs=3
    )
    (asked,) = (event for event in events if isinstance(event, TrialAsked))
    assert asked.config == second


def test_a_longer_trial_without_an_early_epoch_is_no_complete_one() -> None:
    trial = replace(past_trial(configs(1)[0]), curve=((5, 0.5),))
    (end,) = (
        event
        for event in warm_events([trial], SPEC.space, SPEC.objectives, epochs=3)
        if isinstance(event, TrialEnded)
    )
    assert end.state == "stopped"
