"""Latencies of several trials, measured interleaved on one node."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig
from trainables.cost.cache import ProfileCache
from trainables.cost.profile import (
    CostProfile,
    TimedNetwork,
    best_measurement,
    profile_config,
    timed_network,
)
from trainables.cost.signature import cost_signature, describe_host
from trainables.session.blame import is_device_fault
from trainables.session.failure import describe_error
from trainables.session.messages import REASON, TRIAL, Profiled
from trainables.training.evaluation import check_stop

if TYPE_CHECKING:
    from search_spaces.domains import Value
    from trainables.cost.latency import LatencyMeasurement
    from trainables.session.messages import FinalCheckTask
    from trainables.session.session import TrialSession

TURNS = 3
"""Measurements of each trial. In turns, a slow minute of the node affects all trials alike."""


def measure_by_turns(task: FinalCheckTask, session: TrialSession) -> None:
    """Measure every configuration of ``task`` in each of three turns and report each trial.

    A trial is reported with its best measurement, or with the reason of a failure. An undisturbed
    latency replaces the one in the profile cache. Only rank 0 measures.

    Raises:
        TrialStoppedError: the session asked to stop.
        RuntimeError: the device is lost, see ``is_device_fault``.
    """
    check_stop(session)
    if session.rank != 0:
        return
    # The turns share a trial's time budget.
    target = replace(task.target, seconds=task.target.seconds / TURNS)
    networks, failed = dict[str, TimedNetwork](), dict[str, str]()
    latencies: dict[str, list[LatencyMeasurement]] = {trial_id: [] for trial_id in task.configs}
    with tempfile.TemporaryDirectory(prefix="segsweep-turns-") as folder:
        for trial_id, config in task.configs.items():
            try:
                trial_folder = Path(folder) / trial_id
                trial_folder.mkdir()
                networks[trial_id] = timed_network(
                    TrialConfig.from_mapping(config),
                    task.num_classes,
                    target,
                    trial_folder,
                    channels_last=task.training.channels_last,
                )
            except Exception as error:  # noqa: BLE001 - a network that fails must not end the others
                failed[trial_id] = _reason(error)
        for _ in range(TURNS):
            for trial_id in list(networks):
                if session.world_size == 1:  # with more ranks it is a collective
                    check_stop(session)
                try:
                    latencies[trial_id].append(networks[trial_id].measure(session.measuring))
                except Exception as error:  # noqa: BLE001 - as above
                    failed[trial_id] = _reason(error)
                    del networks[trial_id]
    for trial_id, reason in failed.items():
        _report(session, task, trial_id, {}, {REASON: reason})
    for trial_id in networks:
        profile = _cached_profile(task, trial_id, best_measurement(latencies[trial_id]))
        metrics = {k: v for k, v in profile.metrics().items() if k.startswith("latency_")}
        _report(session, task, trial_id, metrics, profile.details())


def _reason(error: Exception) -> str:
    """Return the description of ``error``; raise it where no other network can be measured."""
    if is_device_fault(error):
        raise error
    return describe_error(error)


def _cached_profile(
    task: FinalCheckTask, trial_id: str, latency: LatencyMeasurement
) -> CostProfile:
    """Return the profile with ``latency``; write it to the cache where it was undisturbed."""
    config, order = TrialConfig.from_mapping(task.configs[trial_id]), task.training.channels_last
    static = profile_config(config, task.num_classes, task.target, latency=False)
    host = describe_host(task.target)
    signature = cost_signature(config, task.num_classes, task.target, host, channels_last=order)
    cache = ProfileCache(Path(task.cache_dir) / "profiles")
    before = cache.get(signature)
    size = None if before is None else before.artifact_bytes
    profile = replace(static, latency=latency, artifact_bytes=size)
    if profile.sound and before is not None:
        cache.put(signature, profile)
    return profile


def _report(
    session: TrialSession,
    task: FinalCheckTask,
    trial_id: str,
    metrics: dict[str, float],
    details: dict[str, Value],
) -> None:
    details = {**details, TRIAL: trial_id}
    session.report(Profiled(trial_id=task.trial_id, metrics=metrics, details=details))
