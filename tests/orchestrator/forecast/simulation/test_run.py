from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.forecast.simulation import Benchmark, simulate
from orchestrator.forecast.simulation.benchmark import BenchmarkError, objectives_of
from orchestrator.forecast.simulation.run import (
    benchmark_setup,
    results_in_order,
    simulate_one,
    simulate_setup,
)
from orchestrator.forecast.simulation.synthetic import backbones, crossing, rugged
from orchestrator.ledger.events import EpochReported, TrialAsked, TrialProfiled
from orchestrator.search.pareto import hypervolume
from orchestrator.spec.objectives import Objective
from search_spaces.domains import Categorical, LogFloat, LogInt
from search_spaces.space import SearchSpace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.ledger.events import SweepEvent
    from search_spaces.space import Config


def test_one_job_goes_through_the_items_as_they_are_asked_for() -> None:
    begun: list[int] = []

    def double(item: int) -> int:
        begun.append(item)
        return 2 * item

    results = results_in_order(double, iter(range(3)))
    assert next(results) == 0
    assert begun == [0]
    assert list(results) == [2, 4]


@pytest.mark.slow
def test_processes_are_started_where_the_caller_is_and_end_with_the_last_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        monkeypatch.chdir(tmp_path / name)
        found = list(results_in_order(lambda item: (item, Path.cwd().name), range(4), jobs=2))
        assert found == [(item, name) for item in range(4)]


@pytest.mark.slow
def test_what_a_process_raises_is_raised_here_and_the_next_use_begins_anew() -> None:
    def fail(item: int) -> int:
        if item == 1:
            raise LookupError("item 1")
        return item

    results: Iterator[int] = results_in_order(fail, range(4), jobs=2)
    with pytest.raises(LookupError, match="item 1"):
        list(results)
    assert list(results_in_order(abs, [-1, -2], jobs=2)) == [1, 2]


class Toy:
    """Nine epochs of ten seconds; wider is better, and costs more."""

    space = SearchSpace.of(rate=LogFloat(1e-4, 1.0), width=LogInt(8, 512))
    objectives = (("error", "minimize"), ("params", "minimize"))
    max_epochs = 9
    reference_point = {"error": 1.0, "params": 600.0}  # noqa: RUF012
    full_training_seconds = 90.0

    def known(self, config: Config) -> dict[str, float]:
        return {"params": float(config["width"])}

    def curve(self, config: Config, seed: int) -> tuple[list[float], list[float]]:
        luck = np.random.default_rng(seed).normal(0, 0.001)
        final = abs(math.log10(float(config["rate"])) + 2) / 4 + 1 / float(config["width"])
        values = [final + 0.4 / epoch + luck for epoch in range(1, 10)]
        return values, [10.0 * epoch for epoch in range(1, 10)]


def test_without_stopping_lanes_are_never_idle() -> None:
    result = simulate_one(Toy(), searcher="random", scheduler="none", workers=2, budget=4)
    assert result.virtual_seconds == 180
    assert (result.started, result.completed, result.stopped) == (4 + 2, 4, 0)


def test_the_budget_is_shared_by_the_lanes() -> None:
    one = simulate_one(Toy(), searcher="random", scheduler="none", workers=1, budget=3)
    three = simulate_one(Toy(), searcher="random", scheduler="none", workers=3, budget=3)
    assert (one.virtual_seconds, three.virtual_seconds) == (270, 90)
    assert one.hypervolume == pytest.approx(three.hypervolume)


def test_stopping_starts_more_trials_on_the_same_budget() -> None:
    patient = simulate_one(Toy(), searcher="random", scheduler="none", workers=4, budget=8)
    for scheduler in ("mo-asha", "mo-asha-promote", "asha"):
        hasty = simulate_one(Toy(), searcher="random", scheduler=scheduler, workers=4, budget=8)
        assert hasty.started > 1.5 * patient.started


def test_the_curve_rises_to_the_final_hypervolume() -> None:
    result = simulate_one(Toy(), searcher="random", workers=4, budget=5)
    times, volumes = np.array(result.curve).T
    assert (np.diff(times) >= 0).all()
    assert (np.diff(volumes) >= 0).all()
    assert result.curve[0] == (0.0, 0.0)
    assert result.curve[-1] == (result.virtual_seconds, result.hypervolume)
    assert result.hypervolume_at(result.virtual_seconds) == result.hypervolume
    reached = result.seconds_to(result.hypervolume)
    assert reached is not None
    assert reached <= result.virtual_seconds
    assert result.seconds_to(2 * result.hypervolume) is None


def test_every_trials_best_value_so_far_counts() -> None:
    """One trial with a curve that turns bad again, cut off in the middle."""

    class Turning(Toy):
        space = SearchSpace.of(width=Categorical(100))

        def curve(self, config: Config, seed: int) -> tuple[list[float], list[float]]:  # noqa: ARG002
            return [0.9, 0.5, 0.7, *[0.1] * 6], [10.0 * epoch for epoch in range(1, 10)]

    result = simulate_one(Turning(), searcher="random", workers=1, budget=1 / 3)
    expected = hypervolume([(0.5, 100.0)], objectives_of(Turning()), Turning.reference_point)
    assert result.hypervolume == pytest.approx(expected)
    whole = [(0, 0), (10, 0.1 * 500), (20, 0.5 * 500), (30, 0.5 * 500)]
    assert np.array(result.curve) == pytest.approx(np.array(whole))


def test_a_finite_space_ends_the_sweep_early() -> None:
    class Tiny(Toy):
        space = SearchSpace.of(rate=Categorical(0.01, 0.1), width=Categorical(16, 32))

    result = simulate_one(Tiny(), searcher="random", scheduler="none", workers=3, budget=100)
    assert (result.started, result.completed, result.virtual_seconds) == (4, 4, 180)


@pytest.mark.parametrize("scheduler", ["none", "mo-asha", "mo-asha-promote"])
def test_the_same_seed_gives_the_same_sweep(scheduler: str) -> None:
    first, second = (
        simulate(Toy(), searcher="random", scheduler=scheduler, workers=3, budget=4, seeds=2)
        for _ in range(2)
    )
    assert first == second
    assert first.seeds[0] != first.seeds[1]


def test_the_result_is_json_in_the_documented_form() -> None:
    text = json.dumps(simulate(Toy(), searcher="random", workers=2, budget=2, seeds=2).to_json())
    seeds = json.loads(text)["seeds"]
    assert len(seeds) == 2
    assert set(seeds[0]) == {
        "hypervolume",
        "curve",
        "started",
        "completed",
        "stopped",
        "virtual_seconds",
        "utilization",
        "bottleneck",
    }


@pytest.mark.parametrize("known", [True, False])
def test_searcher_and_scheduler_get_the_reference_point_only_on_request(*, known: bool) -> None:
    setup = benchmark_setup(Toy(), with_reference_point=known)
    assert setup.problem.reference_point == (Toy.reference_point if known else {})
    result = simulate_one(Toy(), searcher="random", workers=2, budget=2, with_reference_point=known)
    assert result.hypervolume > 0


def test_a_benchmark_may_have_costs_that_are_measured() -> None:
    class Measured(Toy):
        objectives = (*Toy.objectives, ("latency_ms", "minimize"))  # type: ignore[assignment]
        reference_point = {**Toy.reference_point, "latency_ms": 9.0}  # noqa: RUF012
        measurement_seconds = 4.0

        def measured(self, config: Config) -> dict[str, float]:
            return {"latency_ms": 1 + math.log10(float(config["rate"]) * 1e4)}

    events: list[SweepEvent] = []
    benchmark = Measured()

    class Listener:
        def on_event(self, event: SweepEvent, *_: object, replayed: bool = False) -> None:
            assert not replayed
            events.append(event)

    setup = benchmark_setup(benchmark, searcher="random", max_trials=8)
    result = simulate_setup(benchmark, setup, workers=2, listeners=[Listener()])
    assert result.completed + result.stopped == result.started == 8
    assert result.hypervolume > 0
    asked = {event.trial_id: event for event in events if isinstance(event, TrialAsked)}
    assert all(set(event.known) == {"params"} for event in asked.values())
    costs = [event for event in events if isinstance(event, TrialProfiled)]
    assert [event.metrics for event in costs] == [
        benchmark.measured(asked[event.trial_id].config) for event in costs
    ]
    assert costs[0].seconds == 4
    assert next(e for e in events if isinstance(e, EpochReported)).seconds == 10


def test_a_measurement_is_part_of_the_first_epoch() -> None:
    class Slow(Toy):
        measurement_seconds = 11.0

        def measured(self, config: Config) -> dict[str, float]:
            del config
            return {"latency_ms": 1.0}

    with pytest.raises(BenchmarkError, match=r"part of the first epoch's 10 s, got 11"):
        simulate_one(Slow(), searcher="random")


def test_a_benchmark_that_lacks_a_cost_is_refused() -> None:
    class Lacking(Toy):
        objectives = (*Toy.objectives, ("latency_ms", "minimize"))  # type: ignore[assignment]
        reference_point = {**Toy.reference_point, "latency_ms": 9.0}  # noqa: RUF012

    with pytest.raises(BenchmarkError, match=r"every objective but error; latency_ms is missing"):
        simulate_one(Lacking(), searcher="random")


def test_errors_of_a_benchmarks_own_code_are_told_with_their_place() -> None:
    class Strange(Toy):
        def known(self, config: Config) -> dict[str, float]:
            return dict.fromkeys(("params", *config), "many")  # type: ignore[arg-type]

    class Failing(Toy):
        def curve(self, config: Config, seed: int) -> tuple[list[float], list[float]]:
            raise LookupError(f"no such trial as {seed} of {config}")

    class Reading(Toy):
        def curve(self, config: Config, seed: int) -> tuple[list[float], list[float]]:
            return json.loads(f"{seed} {config}"), []

    with pytest.raises(BenchmarkError, match=r"raised JSONDecodeError.*test_run\.py, line \d+\)$"):
        simulate(Reading(), seeds=1)
    with pytest.raises(BenchmarkError, match=r"^known\(\) of \{'rate': .*ValueError: could not"):
        simulate(Strange(), seeds=1)
    where = r"raised LookupError: no such trial as .* \(.*test_run\.py, line \d+\)$"
    with pytest.raises(BenchmarkError, match=where):
        simulate(Failing(), seeds=1)


def test_a_benchmark_with_wrong_arrays_is_named() -> None:
    class Short(Toy):
        def curve(self, config: Config, seed: int) -> tuple[list[float], list[float]]:
            values, seconds = super().curve(config, seed)
            return values[:-1], seconds

    with pytest.raises(ValueError, match=r"max_epochs = 9 numbers, got shapes \(8,\) and \(9,\)"):
        simulate_one(Short(), searcher="random")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"workers": 0}, "at least 1 worker"),
        ({"budget": math.nan}, "above 0"),
        ({"searcher": "magic"}, "magic"),
        ({"scheduler": "magic"}, "magic"),
    ],
)
def test_impossible_arguments_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        simulate_one(Toy(), **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("benchmark", [crossing, backbones, rugged])
class TestEveryBuiltInBenchmark:
    def test_keeps_the_protocol(self, benchmark: Benchmark) -> None:
        assert isinstance(benchmark, Benchmark)
        rng = np.random.default_rng(0)
        for _ in range(20):
            config = benchmark.space.sample(rng)
            values, seconds = benchmark.curve(config, 3)
            assert np.shape(values) == np.shape(seconds) == (benchmark.max_epochs,)
            assert np.isfinite(values).all()
            assert (np.diff(seconds) > 0).all()
            again, _ = benchmark.curve(config, 3)
            assert np.array_equal(values, again)
            known = {o.name for o in objectives_of(benchmark)[1:]}
            assert set(benchmark.known(config)) == known

    def test_trials_have_luck(self, benchmark: Benchmark) -> None:
        config = benchmark.space.sample(np.random.default_rng(0))
        assert not np.array_equal(benchmark.curve(config, 1)[0], benchmark.curve(config, 2)[0])


def test_curves_of_the_crossing_benchmark_cross() -> None:
    rng = np.random.default_rng(1)
    curves = np.array([crossing.curve(crossing.space.sample(rng), 0)[0] for _ in range(60)])
    ahead_early = curves[:, None, 2] < curves[None, :, 2] - 0.05
    behind_late = curves[:, None, -1] > curves[None, :, -1] + 0.05
    assert (ahead_early & behind_late).sum() > 30


def test_objectives_may_be_written_in_three_ways() -> None:
    class Mapped(Toy):
        objectives = {"error": "min", "params": "minimize"}  # type: ignore[assignment] # noqa: RUF012

    class Typed(Toy):
        objectives = (Objective("error", "minimize"), Objective("params", "minimize"))  # type: ignore[assignment]

    assert objectives_of(Toy()) == objectives_of(Mapped()) == objectives_of(Typed())
