from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from search_spaces.resolution import Resolution
from trainables.config import TargetConfig
from trainables.cost.latency import measure_artifact
from trainables.formats.runtimes.base import ArtifactError
from trainables.formats.runtimes.command import command_line, run_command

SIZE = Resolution(32, 64)
ARTIFACT = Path("/a folder/model.pte")
TARGET = TargetConfig(name="command", command="time_it {artifact} -n {repeats}", threads=2)


def _python(code: str) -> TargetConfig:
    return replace(TARGET, command=f"{shlex.quote(sys.executable)} -c {shlex.quote(code)}")


def test_placeholders_are_replaced_within_words() -> None:
    target = replace(
        TARGET, command="run {artifact} {threads} {warmup} {batch_size} {height}x{width}"
    )
    words = command_line(target, ARTIFACT, SIZE)
    assert words == ["run", "/a folder/model.pte", "2", "3", "1", "32x64"]


def test_an_artifact_without_a_placeholder_is_appended() -> None:
    words = command_line(replace(TARGET, command="'my runner' --fast"), ARTIFACT, SIZE)
    assert words == ["my runner", "--fast", "/a folder/model.pte"]


def test_an_unknown_placeholder_is_reported() -> None:
    with pytest.raises(ValueError, match=r"'speed'.*allowed are \{artifact\}"):
        command_line(replace(TARGET, command="run {speed}"), ARTIFACT, SIZE)


def test_a_target_without_a_command_has_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"needs target\.command"):
        command_line(replace(TARGET, command=None), ARTIFACT, SIZE)


def test_every_number_is_a_pass_and_other_lines_are_not() -> None:
    target = _python("print('device: phone\\n4.0\\n 2.5 \\nnan\\n-1\\ndone in 3 s')")
    assert run_command(target, ARTIFACT, SIZE) == [4.0, 2.5]


def test_the_printed_numbers_are_the_latency() -> None:
    measured = measure_artifact(
        ARTIFACT, SIZE, _python("print(3)\nprint(1)\nprint(2)"), precision="int8"
    )
    assert (measured.latency_ms, measured.repeats, measured.precision) == (2.0, 3, "int8")
    assert measured.runtime == "command"


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('fast')", "printed no milliseconds.*got: fast"),
        ("import sys; sys.exit('no phone')", "ended with 1: no phone"),
    ],
)
def test_the_output_of_a_failed_program_is_reported(code: str, expected: str) -> None:
    with pytest.raises(ArtifactError, match=expected):
        run_command(_python(code), ARTIFACT, SIZE)


def test_a_missing_program_is_reported() -> None:
    with pytest.raises(ArtifactError, match=r"no-such-program .* could not be run"):
        run_command(replace(TARGET, command="no-such-program"), ARTIFACT, SIZE)
