from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.driver.verification.files import SweepFiles, TrialFiles, file_findings

if TYPE_CHECKING:
    from orchestrator.ledger.records import SweepRecords, TrialRecord


def sound(trial: TrialRecord) -> TrialFiles:
    if trial.state == "complete":
        return TrialFiles(best="sound")
    if trial.epochs_done:
        return TrialFiles(best="sound", last="sound")
    return TrialFiles()


def check(
    records: SweepRecords, trial: TrialRecord, files: TrialFiles, *, front: bool = False
) -> list[str]:
    trials = {each.trial_id: sound(each) for each in records.trials} | {trial.trial_id: files}
    marked = frozenset({trial.trial_id} if front else ())
    found = file_findings(records, SweepFiles(trials=trials), front=marked, driven=False)
    assert all(each.subject == trial.trial_id for each in found)
    return [each.message for each in found]


def test_what_belongs_there_contradicts_nothing(records: SweepRecords) -> None:
    for trial in records.trials:
        assert check(records, trial, sound(trial)) == []


def test_a_complete_trial_needs_its_weights_unless_room_was_made(records: SweepRecords) -> None:
    trial = records.complete[0]
    assert check(records, trial, TrialFiles()) == ["is complete, but its best weights are lost"]
    torn = TrialFiles(best="torn")
    assert check(records, trial, torn) == ["its best weights are torn or altered"]
    removed = TrialFiles(removed=True)
    assert check(records, trial, removed) == []
    assert check(records, trial, removed, front=True) == [
        "is on the front, but its weights were removed"
    ]
    half = TrialFiles(best="sound", last="sound", names=frozenset({".last.pt.x1"}))
    assert len(check(records, trial, half)) == 2


def test_files_that_a_trial_names_are_there(records: SweepRecords) -> None:
    trial = replace(records.complete[0], artifacts=("best.json",))
    told = replace(
        records,
        trials=tuple(trial if each.trial_id == trial.trial_id else each for each in records.trials),
    )
    assert check(told, trial, TrialFiles(best="sound")) == ["its files best.json are lost"]


def test_an_open_trial_needs_a_state_to_go_on_from(records: SweepRecords) -> None:
    trial = next(t for t in records.trials if t.state == "running" and t.epochs_done > 1)
    assert "no resume point" in check(records, trial, TrialFiles(best="sound"))[0]
    assert "it would restart" in check(records, trial, TrialFiles(best="sound", last="torn"))[0]
    files = SweepFiles(trials={each.trial_id: sound(each) for each in records.trials})
    files = replace(files, trials={**files.trials, trial.trial_id: TrialFiles()})
    assert file_findings(records, files, front=frozenset(), driven=True) == []


def test_strange_folders_and_ray_checkpoints_are_found(records: SweepRecords) -> None:
    trials = {each.trial_id: sound(each) for each in records.trials}
    files = SweepFiles(trials={**trials, "t99999": TrialFiles()}, ray_checkpoints=("a/model.pt",))
    found = file_findings(records, files, front=frozenset(), driven=False)
    assert [(each.place, each.subject) for each in found] == [
        ("files", "t99999"),
        ("ray", "a/model.pt"),
    ]
