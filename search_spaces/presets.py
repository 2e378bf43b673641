"""Presets: named choices of the joint space."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from search_spaces.domains import Categorical, Float, LogFloat
from search_spaces.joint import JointChoices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def demo() -> JointChoices:
    """Small DeepLabs on small images, fast on two CPU cores."""
    return JointChoices(
        arch=Categorical("deeplabv3plus", "deeplabv3"),
        backbone=Categorical("mobilenet_v3_small", "mobilenet_v3_large", "mobilenet_v2"),
        last_expansion=Categorical(True, False),
        output_stride=Categorical(16, 32),
        resolution=Categorical("64x96", "96x128"),
        batch_size=Categorical(4, 8),
        learning_rate=LogFloat(5e-4, 5e-3),
        dropout=0.1,
        augmentation=Float(0.0, 0.6),
        distill_alpha=Categorical(0.0, 0.3, 0.6),
        temperature=Categorical(1.0, 2.0, 4.0),
    )


def camvid() -> JointChoices:
    """MobileNet DeepLabv3+ for CamVid at 96x128, from scratch on a CPU."""
    return JointChoices(
        backbone=Categorical("mobilenet_v3_small", "mobilenet_v3_large", "mobilenet_v2"),
        last_expansion=Categorical(True, False),
        output_stride=Categorical(16, 32),
        resolution="96x128",
        batch_size=Categorical(4, 8),
        learning_rate=LogFloat(5e-4, 5e-3),
        weight_decay=LogFloat(1e-5, 1e-2),
        schedule=Categorical("poly", "cosine"),
        dropout=Float(0.0, 0.3),
        augmentation=Float(0.0, 0.4),
        distill_alpha=Categorical(0.0, 0.3, 0.6),
        temperature=Categorical(1.0, 2.0, 4.0),
    )


def mobile() -> JointChoices:
    """Every dimension, with all backbones that are small enough for a phone."""
    return JointChoices(
        arch=Categorical("deeplabv3", "deeplabv3plus", "lraspp"),
        backbone=Categorical(
            "resnet18", "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"
        ),
        last_expansion=Categorical(True, False),
        width=Categorical(0.5, 0.75, 1.0),
        output_stride=Categorical(8, 16, 32),
        decoder_convs=Categorical(1, 2),
        resolution=Categorical("128x128", "192x192", "256x256", "320x320", "384x384", "512x512"),
        dropout=Float(0.0, 0.5),
        batch_size=Categorical(4, 8, 16, 32),
        learning_rate=LogFloat(1e-4, 1e-2),
        optimizer=Categorical("adamw", "sgd"),
        momentum=Float(0.8, 0.99),
        weight_decay=LogFloat(1e-6, 1e-2),
        schedule=Categorical("constant", "step", "cosine", "poly"),
        schedule_step_epochs=Categorical(2, 5, 10, 30),
        augmentation=Float(0.0, 1.0),
        distill_alpha=Float(0.0, 0.9),
        temperature=LogFloat(1.0, 8.0),
    )


def malyshev() -> JointChoices:
    """DeepLabv3 on ResNet-50, ResNet-18 and MobileNetV2, distilled (Malyshev 2025).

    The paper states AdamW, the step of 0.1 every 30 epochs, dropout and the weighted soft loss, but
    no resolution: 512x512 at output stride 32 matches its FLOPs of ResNet-50 best. The ranges are
    ours. Its ResNet-50 row is the teacher; if the sweep's teacher is deeplabv3 with resnet50 at
    output stride 32, that network is trained without distillation.

    The preset also sets the training's ``vertical_flips``, as in the paper.

    Source:
        Malyshev, Comprehensive optimization of DeepLabv3 for mobile devices, Politekhnicheskiy
        molodezhnyy zhurnal 6(101), 2025.
    """
    return JointChoices(
        arch="deeplabv3",
        backbone=Categorical("resnet50", "resnet18", "mobilenet_v2"),
        output_stride=32,
        resolution="512x512",
        dropout=Categorical(0.1, 0.3, 0.5),
        batch_size=Categorical(8, 16),
        learning_rate=LogFloat(1e-4, 1e-3),
        optimizer="adamw",
        weight_decay=Categorical(1e-4, 1e-2),
        schedule="step",
        schedule_step_epochs=30,
        augmentation=Categorical(0.5, 1.0),
        distill_alpha=Categorical(0.3, 0.5, 0.7),
        temperature=Categorical(1.0, 2.0, 4.0),
    )


def kim() -> JointChoices:
    """DeepLabv3+ on MobileNetV3, also without its last expansion or narrower (Kim et al. 2025).

    The paper shrinks MobileNetV3-Large by hyperparameters; here, by the width. Two 3x3 decoder
    convolutions reproduce the paper's saving of 52 % of the parameters. Resolution, widths and
    training ranges are ours.

    Source:
        Kim et al., Transactions of KIPS 14(11), 919-924, 2025.
    """
    return JointChoices(
        arch="deeplabv3plus",
        backbone=Categorical("mobilenet_v3_large", "mobilenet_v3_small"),
        last_expansion=Categorical(True, False),
        width=Categorical(1.0, 0.75, 0.5),
        output_stride=16,
        decoder_convs=2,
        resolution="256x256",
        batch_size=Categorical(8, 16),
        learning_rate=LogFloat(1e-4, 1e-2),
        weight_decay=LogFloat(1e-5, 1e-2),
        dropout=Float(0.0, 0.5),
    )


def chouti() -> JointChoices:
    """DeepLabv3+ on MobileNetV2 and MobileNetV3 at 224x224 with SGD (Chouti 2024).

    Learning rate, batch size and weight decay are the report's for VOC 2012 (1e-3, 10, 1e-4) and
    ADE20K (5e-4, 6, 2e-4); the step of 0.1 every 2 epochs is that for ADE20K. The report states
    output stride 16, but its parameters and MACs are those of 32, so both are searched.

    Source:
        Chouti, internship report, IIT Hyderabad, 2024.
    """
    return JointChoices(
        arch="deeplabv3plus",
        backbone=Categorical("mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"),
        last_expansion=True,
        output_stride=Categorical(32, 16),
        decoder_convs=1,
        resolution="224x224",
        batch_size=Categorical(10, 6),
        learning_rate=Categorical(1e-3, 5e-4),
        optimizer="sgd",
        momentum=0.9,
        weight_decay=Categorical(1e-4, 2e-4),
        schedule=Categorical("constant", "step"),
        schedule_step_epochs=2,
    )


def renaud() -> JointChoices:
    """DeconvNet on VGG16 and MobileNetV3-Small at 224x224 (Renaud, Nivelet Etcheberry).

    The report trains with SGD without a schedule (115 epochs) and with Adam and a cosine schedule
    (150); AdamW without weight decay is Adam. Both optimizers are searched with both schedules.
    Augmentation of strength 0.5 is its random crop, mirroring and resizing, plus colour changes.
    Learning rates and batch sizes are ours; early stopping is a setting of the training.

    Source:
        Renaud, Nivelet Etcheberry, project report, POSTECH.
    """
    return JointChoices(
        arch="deconvnet",
        backbone=Categorical("mobilenet_v3_small", "vgg16"),
        last_expansion=True,
        resolution="224x224",
        batch_size=Categorical(8, 16),
        learning_rate=LogFloat(1e-4, 1e-2),
        optimizer=Categorical("sgd", "adamw"),
        momentum=0.9,
        weight_decay=0.0,
        schedule=Categorical("constant", "cosine"),
        augmentation=0.5,
    )


PRESETS: Mapping[str, Callable[[], JointChoices]] = MappingProxyType(
    {preset.__name__: preset for preset in (demo, camvid, mobile, malyshev, kim, chouti, renaud)}
)
"""Presets by name."""


PRESET_TRAINING: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {"malyshev": MappingProxyType({"vertical_flips": True})}
)
"""Defaults that a preset sets in a spec's ``training`` section."""


def preset_summaries() -> dict[str, str]:
    """Return the first line of each preset's docstring by name, for help texts."""
    return {name: (preset.__doc__ or "").partition("\n")[0] for name, preset in PRESETS.items()}
