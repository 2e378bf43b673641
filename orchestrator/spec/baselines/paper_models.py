"""The models of the four papers, with what the papers say of their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.spec.baselines.papers import Paper, PaperModel

if TYPE_CHECKING:
    from collections.abc import Mapping

CITYSCAPES, VOC, ADE20K = 19, 21, 151


def _malyshev(
    name: str, backbone: str, macs: float, why: str, *, distilled: bool = True
) -> PaperModel:
    config = {
        "arch": "deeplabv3",
        "backbone": backbone,
        "output_stride": 32,
        "resolution": "512x512",
    }
    return PaperModel(
        key=f"malyshev-{backbone}",
        name=name,
        config=config,
        classes=CITYSCAPES,
        macs=macs,
        why=why,
        distilled=distilled,
    )


MALYSHEV = Paper(
    key="malyshev",
    title="Malyshev 2025: DeepLabv3 for mobile devices",
    note="The paper gives GFLOPs without a resolution. Its ResNet-50 is met by MACs at 512x512\n"
    "and output stride 32; no one resolution with equal heads gives all three rows, whose order\n"
    "is reproduced.",
    models=(
        _malyshev(
            "DeepLabv3, ResNet-50",
            "resnet50",
            25.9e9,
            "resolution not given; 520x520 gives 26.2",
            distilled=False,
        ),
        _malyshev(
            "DeepLabv3-Lite, ResNet-18",
            "resnet18",
            15.5e9,
            "0.60 of its ResNet-50 in the paper, 0.42 here; the *Lite* head is not described",
        ),
        _malyshev(
            "DeepLabv3-Lite, MobileNetV2",
            "mobilenet_v2",
            9.1e9,
            "0.35 of its ResNet-50 in the paper, 0.09 here; as above",
        ),
    ),
)


def _kim(key: str, name: str, backbone: str, why: str, **more: object) -> PaperModel:
    config: Mapping[str, object] = {
        "arch": "deeplabv3plus",
        "backbone": backbone,
        "decoder_convs": 2,
        "output_stride": 16,
        "resolution": "256x256",
        **more,
    }
    return PaperModel(key=f"kim-{key}", name=name, config=config, classes=VOC, why=why)


KIM = Paper(
    key="kim",
    title="Kim et al. 2025: DeepLabv3+ on MobileNetV3",
    note="The paper states one ratio, 52 % fewer parameters without the last expansion layer; two\n"
    "3x3 decoder convolutions give it. Resolution, number of classes and widths are ours.",
    models=(
        _kim("large", "MobileNetV3-Large", "mobilenet_v3_large", ""),
        _kim(
            "large-cut",
            "MobileNetV3-Large without the last expansion",
            "mobilenet_v3_large",
            "the paper's -52 %, to the digit",
            last_expansion=False,
        ),
        _kim(
            "large-0.75",
            "MobileNetV3-Large, width 0.75",
            "mobilenet_v3_large",
            "the paper shrinks by hyperparameters that it does not name",
            width=0.75,
        ),
        _kim(
            "large-0.5", "MobileNetV3-Large, width 0.5", "mobilenet_v3_large", "as above", width=0.5
        ),
        _kim("small", "MobileNetV3-Small", "mobilenet_v3_small", ""),
        _kim(
            "small-cut",
            "MobileNetV3-Small without the last expansion",
            "mobilenet_v3_small",
            "",
            last_expansion=False,
        ),
    ),
)


_CHOUTI_KEYS = {"mobilenet_v2": "v2", "mobilenet_v3_large": "large", "mobilenet_v3_small": "small"}


def _chouti(
    name: str, backbone: str, params: float | None, macs: float | None, why: str, **more: object
) -> PaperModel:
    config: Mapping[str, object] = {
        "arch": "deeplabv3plus",
        "backbone": backbone,
        "decoder_convs": 1,
        "output_stride": 32,
        "resolution": "224x224",
        **more,
    }
    key = f"chouti-{_CHOUTI_KEYS[backbone]}"
    return PaperModel(
        key=key if params is not None else f"{key}-os16",
        name=name,
        config=config,
        classes=VOC,
        params=params,
        macs=macs,
        why=why,
        system=params is not None,
    )


_COUNTER = "ptflops also counts BatchNorm, activations and pooling"
_STATED = "the output stride that the report states; its figures are those of 32"

CHOUTI = Paper(
    key="chouti",
    title="Chouti 2024: DeepLabv3+ on MobileNets",
    note="The report's figures are those of output stride 32 although it says 16: one 3x3\n"
    "decoder convolution, ASPP of 256 channels, VOC's 21 classes. The same models at a true 16\n"
    "stand below them. SegFormer was explored without figures.",
    models=(
        _chouti("MobileNetV2", "mobilenet_v2", 5.23e6, 2.65e9, _COUNTER),
        _chouti(
            "MobileNetV3-Large",
            "mobilenet_v3_large",
            11.4e6,
            1.14e9,
            f"11.4 looks like a slip for 11.14; {_COUNTER}",
        ),
        _chouti("MobileNetV3-Small", "mobilenet_v3_small", 6.24e6, 833.53e6, _COUNTER),
        *(
            _chouti(f"{name}, output stride 16", backbone, None, None, _STATED, output_stride=16)
            for name, backbone in (
                ("MobileNetV2", "mobilenet_v2"),
                ("MobileNetV3-Large", "mobilenet_v3_large"),
                ("MobileNetV3-Small", "mobilenet_v3_small"),
            )
        ),
        PaperModel(
            key="chouti-segformer",
            name="SegFormer-B0",
            config={"arch": "smp/Segformer", "backbone": "smp/mit_b0", "resolution": "224x224"},
            classes=VOC,
            why="from segmentation_models.pytorch, with its decoder of 256 channels",
        ),
    ),
)


def _renaud(key: str, name: str, backbone: str, params: float, why: str) -> PaperModel:
    config = {"arch": "deconvnet", "backbone": backbone, "resolution": "224x224"}
    return PaperModel(
        key=f"renaud-{key}", name=name, config=config, classes=VOC, params=params, why=why
    )


RENAUD = Paper(
    key="renaud",
    title="Renaud, Nivelet Etcheberry: DeconvNet on MobileNetV3-Small",
    note="The report gives channels and sizes of every stage, not the kernels; ours are in the\n"
    "page of the paper. It states no MACs.",
    models=(
        _renaud("vgg16", "DeconvNet, VGG16", "vgg16", 252e6, "rounded in the report"),
        _renaud(
            "small",
            "DeconvNet, MobileNetV3-Small",
            "mobilenet_v3_small",
            12e6,
            "rounded in the report; kernels chosen by us",
        ),
    ),
)

PAPERS: tuple[Paper, ...] = (MALYSHEV, KIM, CHOUTI, RENAUD)
"""The papers in the order of the pages."""
