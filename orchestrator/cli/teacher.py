"""The verb ``teacher train``: train the teacher of a sweep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.cli.shared.options import AsJson, Overrides, SpecFile, examples
from orchestrator.cli.shared.output import print_err, print_json, print_pairs, print_warning

if TYPE_CHECKING:
    from trainables.distillation.teacher import TeacherInfo
    from trainables.session.messages import TrialMessage

EPILOG = examples(
    "segsweep teacher train camvid.yaml --set teacher.epochs=40",
    "segsweep run camvid.yaml --set teacher.checkpoint=FILE",
)


def train(
    spec: SpecFile = None,
    overrides: Overrides = None,
    as_json: AsJson = False,
) -> None:
    """Train the teacher of a sweep, from which its students are distilled.

    The teacher is stored under a digest of its settings and data, so sweeps with the same teacher
    reuse it. If it exists already, it is only printed.
    """
    from orchestrator.cli.shared.errors import CliError
    from orchestrator.spec.parse import load_spec

    parsed = load_spec(spec, overrides=overrides or ())
    if parsed.teacher is None:
        raise CliError("the spec has no teacher; add teacher: {} to it or give --set teacher={}")
    import torch

    from orchestrator.driver.preparation import check_dataset
    from orchestrator.spec.networks import largest_resolution
    from search_spaces.config import COMMON
    from trainables.distillation.teacher import teacher_config, train_teacher
    from trainables.models.readiness import check_networks
    from trainables.session.local import LocalSession

    check_networks([teacher_config(parsed.teacher, COMMON)], parsed.training.weights)
    check_dataset(parsed, print_warning)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    info = train_teacher(
        parsed.teacher,
        LocalSession(device=device, on_message=_follow),
        data=parsed.data,
        training=parsed.training,
        target=parsed.target,
        resolution=largest_resolution(parsed.space),
        cache_dir=parsed.storage.cache_dir,
    )
    _print(info, as_json=as_json)


def _follow(message: TrialMessage) -> None:
    from trainables.session.messages import EpochDone

    if isinstance(message, EpochDone):
        print_err(f"teacher epoch {message.epoch}: mIoU {message.metrics['miou']:.3f}")


def _print(info: TeacherInfo, *, as_json: bool) -> None:
    facts = {
        "path": info.path,
        "miou": info.miou,
        "resolution": info.resolution,
        "config": info.config,
        "classes": len(info.class_names),
    }
    if as_json:
        print_json(facts)
        return
    words = " ".join(f"{name}={value}" for name, value in info.config.items())
    print_pairs(
        [
            ("path", info.path),
            ("miou", f"{info.miou:.4f}"),
            ("config", words),
            ("use it", f"--set teacher.checkpoint={info.path}"),
        ]
    )
