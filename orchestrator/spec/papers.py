"""The models of the four papers: costs as published and as built here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from search_spaces.config import TrialConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGIN, END = "<!-- begin: segsweep papers -->", "<!-- end: segsweep papers -->"
"""Lines around the generated table of a page."""
COLUMNS = (
    *("model", "params, M", "paper's", "GMACs", "paper's"),
    *("at", "why they differ", "as a baseline"),
)
GIGA, MEGA = 1e9, 1e6


@dataclass(frozen=True, kw_only=True, slots=True)
class PaperModel:
    """One model of a paper, with its published cost and its config here."""

    key: str = ""
    """Its name as a baseline of a sweep; empty if it is none."""
    name: str
    """Its name in the paper, shortened."""
    config: Mapping[str, object]
    """Its config in this program."""
    classes: int
    """Number of classes of the paper's data set."""
    params: float | None = None
    """Parameters in the paper; None if not stated."""
    macs: float | None = None
    """MACs for one image in the paper, under any name; None if not stated."""
    why: str = ""
    """Reason for the difference."""
    system: bool = True
    """Whether the paper presents it; False for a variant that we added."""
    distilled: bool = False
    """Whether the paper distils it from a teacher."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paper:
    """A paper with its models."""

    key: str
    """Name of the preset and of the page."""
    title: str
    """Authors, year and subject."""
    note: str
    """Remark on all rows."""
    models: tuple[PaperModel, ...] = field(repr=False)
    """Its models in the paper's order."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PricedModel:
    """A paper's model with its cost in this program."""

    model: PaperModel
    params: int
    macs: int

    @property
    def resolution(self) -> str:
        """HEIGHTxWIDTH of the counted MACs."""
        return str(self.model.config["resolution"])


def price(model: PaperModel) -> PricedModel:
    """Return the model with our parameters and MACs, counted without running it.

    Raises:
        MissingExtraError: its architecture needs a library that is not installed.
    """
    from trainables.cost.macs import static_costs  # noqa: PLC0415 - imports torch

    costs = static_costs(TrialConfig.from_mapping(model.config), model.classes)
    return PricedModel(model=model, params=costs["params"], macs=costs["macs"])


def table(paper: Paper) -> list[str]:
    """Return the paper's table as lines of markdown."""
    return [
        f"| {' | '.join(COLUMNS)} |",
        "|---|--:|--:|--:|--:|---|---|---|",
        *(row(price(model)) for model in paper.models),
    ]


def row(priced: PricedModel) -> str:
    """Return one model's line of markdown."""
    model = priced.model
    cells = (
        model.name,
        f"{priced.params / MEGA:.3f}",
        "" if model.params is None else f"{model.params / MEGA:g}",
        f"{priced.macs / GIGA:.3f}",
        "" if model.macs is None else f"{model.macs / GIGA:g}",
        f"{priced.resolution}, {model.classes} classes",
        model.why,
        f"`{model.key}`" if model.key else "",
    )
    return f"| {' | '.join(cells)} |"


def page(papers: tuple[Paper, ...]) -> str:
    """Return the page with the tables of all papers."""
    lines = [
        "# Complexity of the papers' models",
        "",
        "Written by `segsweep papers`; a test compares it with what the program counts. MACs are",
        "multiply-accumulates of convolutions, linear layers and matrix products for one image,",
        "half of what PyTorch calls flops. Columns named *paper's* hold what a paper prints, empty",
        "where it prints nothing. A sweep takes a model by the name in the last column, such as",
        "`--set baselines=kim-large`, a paper's own systems by its name, all of them by `papers`;",
        "what came of that on CamVid is in [papers/mobile.md](papers/mobile.md).",
    ]
    for paper in papers:
        link = f"[{paper.title}](papers/{paper.key}.md)"
        lines += ["", f"## {link}", "", *paper.note.splitlines(), "", *table(paper)]
    return "\n".join([*lines, ""])


def filled(text: str, paper: Paper) -> str:
    """Return a page's text with its generated table replaced.

    Raises:
        ValueError: the page lacks ``BEGIN`` or ``END``.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(
            f"the page of {paper.key} needs the lines {BEGIN!r}, {END!r} around its table"
        )
    inner = "\n".join(["", "", *table(paper), "", ""])
    return f"{before}{BEGIN}{inner}{END}{after}"


CITYSCAPES, VOC, ADE20K = 19, 21, 151
V2, LARGE, SMALL = "mobilenet_v2", "mobilenet_v3_large", "mobilenet_v3_small"


def _malyshev(
    name: str, backbone: str, macs: float, why: str, *, distilled: bool = True
) -> PaperModel:
    return PaperModel(
        key=f"malyshev-{backbone}",
        name=name,
        config={
            "arch": "deeplabv3",
            "backbone": backbone,
            "output_stride": 32,
            "resolution": "512x512",
        },
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
            *("DeepLabv3, ResNet-50", "resnet50", 25.9e9),
            "resolution not given; 520x520 gives 26.2",
            distilled=False,
        ),
        _malyshev(
            *("DeepLabv3-Lite, ResNet-18", "resnet18", 15.5e9),
            "0.60 of its ResNet-50 in the paper, 0.42 here; the *Lite* head is not described",
        ),
        _malyshev(
            *("DeepLabv3-Lite, MobileNetV2", V2, 9.1e9),
            "0.35 of its ResNet-50 in the paper, 0.09 here; as above",
        ),
    ),
)


def _kim(key: str, name: str, backbone: str, why: str, **more: object) -> PaperModel:
    config = {
        "arch": "deeplabv3plus",
        "backbone": backbone,
        "decoder_convs": 2,
        "output_stride": 16,
        "resolution": "256x256",
        **more,
    }
    return PaperModel(key=f"kim-{key}", name=name, config=config, classes=VOC, why=why)


_CUT = "without the last expansion"

KIM = Paper(
    key="kim",
    title="Kim et al. 2025: DeepLabv3+ on MobileNetV3",
    note="The paper states one ratio, 52 % fewer parameters without the last expansion layer; two\n"
    "3x3 decoder convolutions give it. Resolution, number of classes and widths are ours.",
    models=(
        _kim("large", "MobileNetV3-Large", LARGE, ""),
        _kim(
            *("large-cut", f"MobileNetV3-Large {_CUT}", LARGE),
            "the paper's -52 %, to the digit",
            last_expansion=False,
        ),
        _kim(
            *("large-0.75", "MobileNetV3-Large, width 0.75", LARGE),
            "the paper shrinks by hyperparameters that it does not name",
            width=0.75,
        ),
        _kim("large-0.5", "MobileNetV3-Large, width 0.5", LARGE, "as above", width=0.5),
        _kim("small", "MobileNetV3-Small", SMALL, ""),
        _kim("small-cut", f"MobileNetV3-Small {_CUT}", SMALL, "", last_expansion=False),
    ),
)

_CHOUTI = {
    V2: ("v2", "MobileNetV2"),
    LARGE: ("large", "MobileNetV3-Large"),
    SMALL: ("small", "MobileNetV3-Small"),
}
"""Key and name of each backbone in the report."""


def _chouti(
    backbone: str, *, stride: int, why: str, params: float | None = None, macs: float | None = None
) -> PaperModel:
    """Return a model at the stride of the report's figures, 32, or at the one it states, 16."""
    key, name = _CHOUTI[backbone]
    return PaperModel(
        key=f"chouti-{key}" + ("" if stride == 32 else f"-os{stride}"),
        name=name if stride == 32 else f"{name}, output stride {stride}",
        config={
            "arch": "deeplabv3plus",
            "backbone": backbone,
            "decoder_convs": 1,
            "output_stride": stride,
            "resolution": "224x224",
        },
        classes=VOC,
        params=params,
        macs=macs,
        why=why,
        system=stride == 32,
    )


_COUNTER = "ptflops also counts BatchNorm, activations and pooling"
_SLIP = f"11.4 looks like a slip for 11.14; {_COUNTER}"
_STATED = "the output stride that the report states; its figures are those of 32"

CHOUTI = Paper(
    key="chouti",
    title="Chouti 2024: DeepLabv3+ on MobileNets",
    note="The report's figures are those of output stride 32 although it says 16: one 3x3\n"
    "decoder convolution, ASPP of 256 channels, VOC's 21 classes. The same models at a true 16\n"
    "stand below them. SegFormer was explored without figures.",
    models=(
        _chouti(V2, stride=32, params=5.23e6, macs=2.65e9, why=_COUNTER),
        _chouti(LARGE, stride=32, params=11.4e6, macs=1.14e9, why=_SLIP),
        _chouti(SMALL, stride=32, params=6.24e6, macs=833.53e6, why=_COUNTER),
        *(_chouti(backbone, stride=16, why=_STATED) for backbone in _CHOUTI),
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


_ROUNDED = "rounded in the report"

RENAUD = Paper(
    key="renaud",
    title="Renaud, Nivelet Etcheberry: DeconvNet on MobileNetV3-Small",
    note="The report gives channels and sizes of every stage, not the kernels; ours are in the\n"
    "page of the paper. It states no MACs.",
    models=(
        _renaud("vgg16", "DeconvNet, VGG16", "vgg16", 252e6, _ROUNDED),
        _renaud(
            *("small", "DeconvNet, MobileNetV3-Small", SMALL, 12e6),
            f"{_ROUNDED}; kernels chosen by us",
        ),
    ),
)

PAPERS: tuple[Paper, ...] = (MALYSHEV, KIM, CHOUTI, RENAUD)
"""The papers in the order of the pages."""
