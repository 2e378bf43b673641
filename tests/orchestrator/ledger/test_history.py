from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from orchestrator.ledger.folders import new_sweep
from orchestrator.ledger.history import (
    ENOUGH_TRAININGS,
    MOST_SWEEPS,
    EarlierSweep,
    EarlierTrial,
    read_config,
    recorded_settings,
    tracked_trainings,
)
from orchestrator.spec.parse import dump_spec, load_spec
from search_spaces.domains import Categorical, Float, Int
from search_spaces.space import SearchSpace
from trainables.config import TargetConfig

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.ledger.history import EarlierTraining
    from orchestrator.spec.sweep_spec import SweepSpec


SPACE = SearchSpace.of(arch=Categorical("a", "b"), batch_size=Int(2, 8), dropout=Float(0.0, 0.5))


@pytest.mark.parametrize(
    ("params", "config"),
    [
        (
            {"arch": "a", "batch_size": "4", "dropout": "0.25"},
            {"arch": "a", "batch_size": 4, "dropout": 0.25},
        ),
        ({"arch": "c", "batch_size": "4", "dropout": "0.25"}, None),
        ({"arch": "a", "batch_size": "9", "dropout": "0.25"}, None),
        ({"arch": "a", "batch_size": "x", "dropout": "0.25"}, None),
        ({"arch": "a", "batch_size": "4"}, None),
        ({"arch": "a", "batch_size": "4", "dropout": "0.25", "width": "1.0"}, None),
    ],
)
def test_recorded_params_give_a_point_of_the_space_or_none(
    params: dict[str, str], config: dict[str, object] | None
) -> None:
    assert read_config(params, SPACE) == config


@pytest.mark.parametrize("text", [None, "", "[1]", "a: ["])
def test_a_sweep_without_a_readable_spec_has_no_settings(text: str | None) -> None:
    assert recorded_settings(sweep(text)) is None


def test_settings_that_a_former_version_lacks_have_their_defaults() -> None:
    settings = recorded_settings(sweep("name: x\ntarget: {threads: 4}\n"))
    assert settings == {"name": "x", "target": {**asdict(TargetConfig()), "threads": 4}}


def sweep(text: str | None) -> EarlierSweep:
    return EarlierSweep(
        sweep_id="s", dataset_digest=None, spec_text=text, experiment_id="1", run_id="2"
    )


FIGURES = {"miou": 0.4, "latency_ms": 7.0, "macs": 1e9, "params": 3e6}


@dataclass
class Shelf:
    """Earlier sweeps in memory."""

    kept: dict[str, tuple[EarlierSweep, tuple[EarlierTrial, ...]]]

    def sweeps(self) -> tuple[EarlierSweep, ...]:
        return tuple(sweep for sweep, _ in self.kept.values())

    def trials(self, sweep: EarlierSweep) -> tuple[EarlierTrial, ...]:
        return self.kept[sweep.sweep_id][1]


@pytest.fixture
def spec(tmp_path: Path) -> SweepSpec:
    return load_spec(
        overrides=[
            "teacher=null",
            f"storage.root={tmp_path}",
            "data={format: cityscapes, root: /here/streets}",
            "space={arch: [deeplabv3, lraspp], backbone: mobilenet_v2}",
        ]
    )


def trial(**changes: object) -> EarlierTrial:
    whole = EarlierTrial(
        sweep_id="old",
        trial_id="t00000",
        params={"arch": "lraspp"},
        metrics=FIGURES,
        complete=True,
        curve=((1, 0.2), (2, 0.4)),
        epoch_seconds=5.0,
        seconds=13.0,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def shelf(
    spec: SweepSpec,
    *trials: EarlierTrial,
    sweep_id: str = "old",
    digest: str | None = "d",
    text: str | None = None,
) -> Shelf:
    sweep = EarlierSweep(
        sweep_id=sweep_id,
        dataset_digest=digest,
        spec_text=dump_spec(spec) if text is None else text,
        experiment_id="1",
        run_id=sweep_id,
    )
    return Shelf({sweep_id: (sweep, trials or (trial(),))})


def gathered(
    spec: SweepSpec, history: Shelf, digest: str | None = "d"
) -> tuple[EarlierTraining, ...]:
    return tracked_trainings(spec, history, lambda: digest)


def elsewhere(spec: SweepSpec, **changes: object) -> SweepSpec:
    data = replace(spec.data, root="/there/streets", **changes)  # type: ignore[arg-type]
    return replace(spec, data=data)


def test_a_training_is_known_with_its_times(spec: SweepSpec) -> None:
    config = spec.space.sample(np.random.default_rng(0))
    texts = {name: str(value) for name, value in config.items()}
    (found,) = gathered(spec, shelf(spec, trial(params=texts)))
    assert found.config == config
    assert found.costs == FIGURES
    assert found.curve == (0.2, 0.4)
    assert found.complete
    assert (found.epoch_seconds, found.other_seconds) == (5.0, 3.0)


def test_one_outside_the_space_tells_what_it_cost_alone(spec: SweepSpec) -> None:
    (found,) = gathered(spec, shelf(spec, trial(params={"arch": "unet"})))
    assert found.config == {}
    assert spec.space.faults(found.config)
    assert found.epoch_seconds == 5.0


@pytest.mark.parametrize(
    "changes",
    [{"epoch_seconds": math.nan}, {"curve": ()}, {"metrics": {"miou": 0.4}}],
    ids=["no time", "no curve", "no MACs"],
)
def test_what_tells_nothing_is_left_out(spec: SweepSpec, changes: dict[str, object]) -> None:
    assert gathered(spec, shelf(spec, trial(**changes))) == ()


def test_the_same_data_in_another_folder_are_the_same_data(spec: SweepSpec) -> None:
    assert len(gathered(spec, shelf(elsewhere(spec)))) == 1
    assert gathered(spec, shelf(elsewhere(spec)), digest="e") == ()
    assert gathered(spec, shelf(elsewhere(spec), digest=None), digest=None) == ()


def test_the_data_are_looked_at_only_where_their_folder_differs(spec: SweepSpec) -> None:
    def never() -> str:
        raise AssertionError("nobody needs the digest")

    assert len(tracked_trainings(spec, shelf(spec), never)) == 1
    fewer = elsewhere(spec, max_train_images=7)
    assert tracked_trainings(spec, shelf(fewer), never) == ()


@pytest.mark.parametrize("part", ["target", "resources"])
def test_sweeps_that_do_not_compare_say_nothing(spec: SweepSpec, part: str) -> None:
    other = replace(spec, target=replace(spec.target, threads=3))
    if part == "resources":
        other = replace(spec, resources=replace(spec.resources, train_workers=2))
    assert gathered(spec, shelf(other)) == ()


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "space: 3"])
def test_a_spec_that_cannot_be_read_is_passed_over(tmp_path: Path, text: str) -> None:
    embedded = load_spec(overrides=["teacher=null", f"storage.root={tmp_path}"])
    assert gathered(embedded, shelf(embedded, text=text)) == ()


def test_what_lies_in_the_storage_folder_is_not_read_twice(spec: SweepSpec, tmp_path: Path) -> None:
    folder = new_sweep(tmp_path, "own")
    folder.spec.write_text(dump_spec(spec), encoding="utf-8")
    assert gathered(spec, shelf(spec, sweep_id=folder.sweep_id)) == ()


def test_of_many_sweeps_the_latest_count(spec: SweepSpec) -> None:
    many = Shelf({})
    for number in range(MOST_SWEEPS + 5):
        name = f"old-{number}"
        many.kept |= shelf(spec, trial(sweep_id=name), sweep_id=name).kept
    found = [each.sweep_id for each in gathered(spec, many)]
    assert found == [f"old-{number}" for number in reversed(range(5, MOST_SWEEPS + 5))]


def test_large_sweeps_are_read_until_there_is_enough(spec: SweepSpec) -> None:
    large = [trial(trial_id=f"t{number:05d}") for number in range(ENOUGH_TRAININGS)]
    history = Shelf(
        shelf(spec, sweep_id="first").kept
        | shelf(spec, *large, sweep_id="second").kept
        | shelf(spec, trial(sweep_id="third"), sweep_id="third").kept
    )
    found = gathered(spec, history)
    assert [each.sweep_id for each in found] == ["third", *["old"] * ENOUGH_TRAININGS]
