"""Faults injected into small sweeps, each counted, with what was found wrong afterwards.

    python benchmarks/faults.py [kills] [stops] [cluster] [preemption] [ghosts] [actors]
        [tracking] [disk] [--out FILE.json]

``kills``: kill -9 of the driver, or of everything at once, at random moments of one sweep.
``stops``: trials cancelled in the middle of an epoch on a warm lane; what they leave behind.
``cluster``: a train worker, a node and the GCS of a Ray cluster of three local nodes killed.
``preemption``: a node of such a cluster taken back with Ray's notice. ``ghosts``: drivers killed
whose cluster, and workers, live on. ``actors``: those that a sweep on one machine stands on.
``tracking``: the tracking server killed for a minute. ``disk``: storage on a tmpfs that is full.
"""

# ruff: noqa: PLC0415 - tests import this module, and need no Ray to be collected

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from benchmarks.cluster_faults import actors, ghosts, preemption
from benchmarks.faultkit import (
    MARK,
    SETTINGS,
    Experiment,
    marked,
    orphaned_segments,
    shared_segments,
    tiny_spec,
    wait_for,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def kills(
    folder: Path, *, count: int, trials: int = 8, span: float = 90.0, seed: int = 0
) -> dict[str, object]:
    """Kill one sweep ``count`` times within ``span`` seconds of a start, then let it finish."""
    rng = random.Random(seed)
    experiment = Experiment(folder, tiny_spec(folder / "runs", budget={"trials": trials}))
    before, everything, points = shared_segments(), 0, []
    number = 0
    while number < count:
        experiment.start()
        begun = experiment.count()
        whole = rng.random() < 0.4
        moment = rng.uniform(0.5, span)
        wait_for(experiment.ended, moment, must=False)
        points.append(f"{moment:.1f} s after its start, {experiment.count() - begun} events")
        if experiment.ended():
            if experiment.driver.returncode == 0:
                break
            print(f"not killed: over already with exit code {experiment.driver.returncode}")
            continue
        experiment.kill(everything=whole)
        everything += whole
        number += 1
        print(f"kill {number}/{count}: {'all of Ray' if whole else 'driver'} {points[-1]}")
    experiment.start()
    code = experiment.wait(900)
    return {
        "kills": number,
        "of them with all of Ray": everything,
        "exit code of the last resume": code,
        "trials": experiment.count("asked"),
        "ends": experiment.count("ended"),
        "epochs": experiment.count("epoch"),
        "starts of trials": experiment.count("started"),
        "leaked processes": list(experiment.wait_gone().values()),
        "leaked shared memory": orphaned_segments(before),
        "findings": experiment.verify("--proposals"),
    }


def stops(folder: Path, *, count: int, seed: int = 0) -> dict[str, object]:
    """Cancel ``count`` trainings in the middle of an epoch on one lane of two ranks."""
    mark = f"stops-{os.getpid()}"
    os.environ.update({MARK: mark, **SETTINGS})
    import psutil
    import ray
    from ray.util.placement_group import placement_group_table

    from cluster.capacity.packing import LaneShape
    from cluster.start.connection import connected
    from orchestrator.lanes.pool import LanePlan, LanePool
    from trainables.config import DataConfig, TargetConfig, TrainingConfig
    from trainables.session.messages import Profiled, TrialTask

    rng = random.Random(seed)
    data = DataConfig(synthetic_train_images=64, synthetic_val_images=4)
    before = shared_segments()

    def task(number: int) -> TrialTask:
        return TrialTask(
            sweep_id="s",
            trial_id=f"t{number:05d}",
            config={
                "arch": "lraspp",
                "backbone": "mobilenet_v3_small",
                "resolution": "64x96",
                "batch_size": 4,
            },
            seed=number,
            epochs=1000,
            data=data,
            training=TrainingConfig(sample_images=0, threads=1),
            target=TargetConfig(warmup=1, repeats=2),
            cache_dir=str(folder / "cache"),
            output_dir=str(folder / "trials" / str(number)),
        )

    def stop(pool: LanePool, number: int) -> str:
        due: list[float] = []

        def hear(message: object) -> None:
            if isinstance(message, Profiled):
                due.append(time.monotonic() + rng.uniform(0, 0.8))

        done = pool.run(
            task(number),
            on_message=hear,
            stop_requested=lambda: bool(due) and time.monotonic() >= due[0],
        )
        return str(done.state)

    def lane() -> dict[int, str]:
        return {pid: name for pid, name in marked(mark) if "TrainWorker" in name}

    def groups() -> int:
        table = placement_group_table()
        return sum(group["state"] != "REMOVED" for group in table.values())

    with connected() as _:
        plan = LanePlan(lanes=1, shape=LaneShape(workers=2, cpus=0.5), max_trials=10_000)
        with LanePool(
            [plan], storage=str(folder / "ray"), quiet_path=str(folder / "quiet")
        ) as pool:
            states = [stop(pool, 0)]
            actors = len(list(marked(mark)))
            first = {pid: psutil.Process(pid).memory_info().rss for pid in lane()}
            places = groups()
            for number in range(1, count):
                states.append(stop(pool, number))
                if number % 10 == 9:
                    print(f"stop {number + 1}/{count}")
            again = {pid: psutil.Process(pid).memory_info().rss for pid in lane()}
            more = len(list(marked(mark))) - actors
            more_places = groups() - places
            faults = list(pool.faults)
        left = groups()
        ray_left = [name for _, name in marked(mark) if "TrainWorker" in name]
    wait_for(lambda: not list(marked(mark)), 60, must=False)
    del ray
    return {
        "stops": len(states),
        "ended as stopped": states.count("stopped"),
        "lanes that died": faults,
        "same workers at the end": first.keys() == again.keys(),
        "processes more than after the first": more,
        "placement groups more than after the first": more_places,
        "placement groups left by the closed lane": left,
        "workers left by the closed lane": ray_left,
        "processes left at the end": [name for _, name in marked(mark)],
        "growth of a worker, MB": max(
            (round((again[pid] - first[pid]) / 2**20) for pid in first.keys() & again.keys()),
            default=None,
        ),
        "leaked shared memory": orphaned_segments(before),
    }


def cluster(folder: Path) -> dict[str, object]:
    """Kill a train worker, a node and the GCS under one sweep on three local Ray nodes."""
    from ray.cluster_utils import Cluster

    experiment = Experiment(
        folder,
        tiny_spec(folder / "runs", budget={"trials": 6, "epochs": 6}, resources={"lanes": 2}),
    )
    os.environ[MARK] = experiment.mark
    os.environ.update(SETTINGS)

    def begin() -> tuple[Any, list[Any]]:
        made = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False},
        )
        return made, [made.add_node(num_cpus=1, include_dashboard=False) for _ in range(3)]

    def start() -> None:
        experiment.start("--set", f"resources.address={made.address}")

    def workers() -> dict[int, str]:
        return experiment.processes("RayTrainWorker")

    made, nodes = begin()
    killed: dict[str, int] = {}
    try:
        start()
        wait_for(lambda: experiment.count("epoch") >= 2 and bool(workers()), 300)
        victim = next(iter(workers()))
        os.kill(victim, signal.SIGKILL)
        killed["train worker"] = victim
        at = experiment.count("epoch")
        wait_for(lambda: experiment.count("epoch") >= at + 3, 300)

        used = next(n for n in nodes if _has_worker(n, workers()))
        made.remove_node(used, allow_graceful=False)
        killed["node"] = 1
        at = experiment.count("epoch")
        wait_for(
            lambda: experiment.count("epoch") >= at + 3 or experiment.ended(),
            300,
        )
        ended_by_node = experiment.driver.poll()

        gcs = next(iter(experiment.processes("gcs_server")))
        os.kill(gcs, signal.SIGKILL)
        killed["GCS"] = gcs
        try:
            after_gcs: int | str = experiment.wait(240)
        except subprocess.TimeoutExpired:
            after_gcs = "hangs"
            experiment.kill()
        with suppress(Exception):
            made.shutdown()
        _end(experiment)
        made, nodes = begin()
        start()
        code = experiment.wait(600)
    finally:
        with suppress(Exception):
            made.shutdown()
        _end(experiment)
    return {
        "killed": sorted(killed),
        "exit code after the node was lost (None: it went on)": ended_by_node,
        "exit code after the GCS was lost": after_gcs,
        "exit code of the resume on a new cluster": code,
        "trials": experiment.count("asked"),
        "starts of trials": experiment.count("started"),
        "findings": experiment.verify("--proposals"),
    }


def tracking(folder: Path, *, away: float = 60.0) -> dict[str, object]:
    """Kill the tracking server under a sweep and start it again after ``away`` seconds."""
    port = 5000 + os.getpid() % 3000
    uri = f"http://127.0.0.1:{port}"
    server = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port)]
    server += ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--workers", "1"]
    server += ["--artifacts-destination", str(folder / "artifacts")]
    settings = tiny_spec(folder / "runs", budget={"trials": 8, "epochs": 6}, tracking={"uri": uri})
    experiment = Experiment(folder, settings)

    def serve() -> subprocess.Popen[bytes]:
        with (folder / "server.log").open("ab") as log:
            made = subprocess.Popen(
                server, env=experiment.environment, stdout=log, stderr=log, start_new_session=True
            )
        wait_for(lambda: _answers(uri), 180)
        return made

    running = serve()
    try:
        experiment.start()
        wait_for(lambda: experiment.count("ended") >= 1, 300)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        at, ends = time.monotonic(), experiment.count("ended")
        wait_for(lambda: time.monotonic() - at >= away, away + 5)
        meanwhile = experiment.count("ended") - ends
        running = serve()
        code = experiment.wait(600)
        experiment.start()  # writes the rest, where the sweep was over before the server was back
        again = experiment.wait(300)
        found = experiment.verify()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()
    return {
        "seconds away": away,
        "trials that ended meanwhile": meanwhile,
        "exit code": code,
        "exit code of a resume": again,
        "findings": found,
    }


def disk(folder: Path) -> dict[str, object]:
    """Let a sweep fill its storage, a small tmpfs; make room, and go on."""
    mount = folder / "small"
    mount.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=90m", "tmpfs", str(mount)], check=True)
    try:
        experiment = Experiment(
            folder,
            tiny_spec(
                mount / "runs",
                budget={"trials": 6},
                tracking={"uri": f"sqlite:///{folder}/mlflow.db"},
            ),
        )
        experiment.settings["storage"] = {
            "root": str(mount / "runs"),
            "cache": str(folder / "cache"),
        }
        experiment.spec.write_text(json.dumps(experiment.settings))
        codes = []
        for room in _rooms(mount):
            experiment.start()
            codes.append(experiment.wait(600))
            print(f"exit code {codes[-1]} with {room}")
        experiment.wait_gone()
        said = [line for line in experiment.log.read_text().splitlines() if "error" in line.lower()]
        return {
            "exit codes": codes,
            "said": said[:6],
            "tracebacks": experiment.log.read_text().count("Traceback"),
            "trials": experiment.count("asked"),
            "findings": experiment.verify("--proposals"),
        }
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=False)


def _rooms(mount: Path) -> Iterator[str]:
    """Leave a little room, none, all of it but nothing to be written, then all of it."""
    ballast = mount / "ballast"
    for free in (6 * 2**20, 64 * 2**10):
        ballast.unlink(missing_ok=True)
        left = os.statvfs(mount).f_bavail * os.statvfs(mount).f_frsize
        ballast.write_bytes(bytes(max(0, left - free)))
        yield f"{free >> 10} KiB free"
    ballast.unlink()
    remount = ["mount", "-o", "remount,ro", str(mount)]
    subprocess.run(remount, check=True)
    yield "read-only"
    subprocess.run([*remount[:-2], "remount,rw", str(mount)], check=True)
    yield "room enough"


def _has_worker(node: Any, workers: dict[int, str]) -> bool:  # noqa: ANN401 - Ray's own, untyped
    import psutil

    raylets = {info.process.pid for info in node.all_processes.get("raylet", [])}
    parents = {parent.pid for pid in workers for parent in psutil.Process(pid).parents()}
    return bool(raylets & parents)


def _end(experiment: Experiment) -> None:
    for pid in experiment.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    experiment.wait_gone()


def _answers(uri: str) -> bool:
    try:
        with urllib.request.urlopen(f"{uri}/health", timeout=2) as answer:  # noqa: S310 - own server
            return bool(answer.status == 200)
    except OSError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("what", nargs="*", help="experiments; all without any")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--stops", type=int, default=100)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    experiments: dict[str, Callable[[Path], dict[str, object]]] = {
        "kills": lambda folder: kills(folder, count=given.kills),
        "stops": lambda folder: stops(folder, count=given.stops),
        "cluster": cluster,
        "preemption": preemption,
        "ghosts": ghosts,
        "actors": actors,
        "tracking": tracking,
        "disk": disk,
    }
    results: dict[str, object] = {}
    for name in given.what or experiments:
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix=f"faults-{name}-") as folder:
            found = experiments[name](Path(folder))
        results[name] = {**found, "seconds": round(time.monotonic() - began)}
        print(name, json.dumps(results[name], indent=1))
        if given.out:
            given.out.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
