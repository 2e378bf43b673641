from __future__ import annotations

import pytest

from orchestrator.spec.networks import networks_of
from orchestrator.spec.parse import load_spec


def networks(*overrides: str) -> set[tuple[str, str, float | None]]:
    spec = load_spec(overrides=["teacher=null", *overrides])
    return {(each.arch, each.backbone, each.width) for each in networks_of(spec)}


def test_every_network_of_the_space_is_there() -> None:
    found = networks("space={arch: [lraspp, deconvnet], backbone: [resnet18, mobilenet_v2]}")
    assert found == {
        (arch, backbone, width)
        for arch in ("lraspp", "deconvnet")
        for backbone, width in (("resnet18", None), ("mobilenet_v2", 1.0))
    }


def test_widths_are_told_apart_and_a_range_has_its_narrowest() -> None:
    several = networks("space={backbone: mobilenet_v2, width: [0.5, 1.0]}")
    assert {width for *_, width in several} == {0.5, 1.0}
    assert networks("space={backbone: mobilenet_v2, width: {low: 0.4, high: 1}}") == {
        ("deeplabv3plus", "mobilenet_v2", 0.4)
    }


def test_a_teacher_and_the_baselines_are_among_them() -> None:
    found = networks(
        "teacher={arch: deeplabv3, backbone: resnet50}",
        "baselines=renaud-vgg16",
        "space={backbone: resnet18}",
    )
    assert found == {
        ("deeplabv3plus", "resnet18", None),
        ("deeplabv3", "resnet50", None),
        ("deconvnet", "vgg16", None),
    }
    given = networks("teacher={checkpoint: t.safetensors}", "space={backbone: resnet18}")
    assert given == {("deeplabv3plus", "resnet18", None)}


@pytest.mark.parametrize("preset", ["demo", "camvid", "mobile", "malyshev", "kim", "renaud"])
def test_every_preset_has_networks(preset: str) -> None:
    spec = load_spec(preset=preset)
    assert {each.backbone for each in networks_of(spec)} >= set(
        map(str, spec.space["backbone"].domain.choices)  # type: ignore[union-attr]
    )
