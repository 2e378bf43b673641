"""Tags of the runs of a sweep."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.tracking.info import sweep_tags, trial_tags

if TYPE_CHECKING:
    from orchestrator.tracking.info import SweepInfo


def test_runs_have_the_tags_of_their_origin(info: SweepInfo) -> None:
    tags = sweep_tags(info)
    assert tags["sweep.id"] == "demo-1"
    assert tags["sweep.role"] == "sweep"
    assert (tags["seed"], tags["git_commit"], tags["dataset.digest"]) == ("7", "0123abc", "d1g35t")
    assert tags["versions"] == "torch 2.15, ray 2.60"
    assert "mlflow.parentRunId" not in tags


def test_a_trials_run_names_its_sweeps_run(info: SweepInfo) -> None:
    tags = trial_tags(info, "t1", "parent")
    assert (tags["trial.id"], tags["mlflow.parentRunId"]) == ("t1", "parent")
    assert tags["sweep.role"] == "trial"


def test_unknown_facts_have_no_tag(info: SweepInfo) -> None:
    bare = replace(info, seed=None, git_commit=None, dataset_digest=None, versions={})
    assert not {"seed", "git_commit", "dataset.digest", "versions"} & set(sweep_tags(bare))


def test_warnings_of_the_data_are_a_tag_of_the_sweeps_run_within_its_limit(info: SweepInfo) -> None:
    tags = sweep_tags(replace(info, data_warnings=("one", "two")))
    assert tags["dataset.warnings"] == "one\ntwo"
    assert len(sweep_tags(replace(info, data_warnings=("x" * 9000,)))["dataset.warnings"]) == 4000
    assert "dataset.warnings" not in sweep_tags(info)
