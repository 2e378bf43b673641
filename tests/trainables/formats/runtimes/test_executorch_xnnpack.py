"""A program that XNNPACK rejects is an error with the reason, even if ExecuTorch crashes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import torch
from torch import nn

from search_spaces.resolution import Resolution
from trainables.compression.quantization import quantize_int8
from trainables.formats.artifact import write_artifact
from trainables.formats.runtimes import executorch_xnnpack
from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.registry import open_artifact

if TYPE_CHECKING:
    from pathlib import Path

STDERR = "[XNNCompiler.cpp:1] XNN Runtime creation failed with code: xnn_status_some"


@pytest.mark.slow
def test_rejected_scales_are_an_error_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "refused.pte"
    large = nn.Conv2d(3, 4, 1, bias=False)
    with torch.no_grad():  # grey images sum to 0, for which there is no int8 scale
        large.weight.copy_(torch.tensor([1e4, -1e4, 0.0]).view(1, 3, 1, 1).expand(4, 3, 1, 1))
    model = nn.Sequential(large, nn.Conv2d(4, 4, 3, padding=1)).eval()
    grey = torch.rand(4, 1, 32, 32).expand(4, 3, 32, 32).contiguous()
    write_artifact(quantize_int8(model, [grey]), Resolution(32, 32), path)
    with pytest.raises(ArtifactError, match=r"XNNPACK rejects it: .*unsupported_parameter"):
        open_artifact(path)


@pytest.mark.parametrize(
    ("ending", "message"),
    [
        ("os.kill(os.getpid(), 6)", r"rejects it, and executorch ends with SIGABRT: .*status_some"),
        ("sys.exit(1)", r"XNNPACK rejects it: XNN Runtime .*status_some$"),
    ],
)
def test_the_reason_is_reported_even_if_the_process_crashes(
    ending: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = f"import os, sys; print({STDERR!r}, file=sys.stderr, flush=True); {ending}"
    monkeypatch.setattr(executorch_xnnpack, "_LOAD", load)
    with pytest.raises(ArtifactError, match=message):
        executorch_xnnpack._try_loading(tmp_path / "any.pte")
