from __future__ import annotations

import pytest

from cluster.jobs.failure import LINE_CHARACTERS, LOG_LINES, cause, log_end, missing_program

RAY = (
    "Job entrypoint command failed with exit code {}, "
    "last available logs (truncated to 20,000 chars):\n"
)
UV = "uv run --no-project --python 3.11 --with-requirements requirements.lock python -m x"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ""),
        (" \n\r\n", ""),
        ("Job finished successfully.", "Job finished successfully."),
        (
            RAY.format(127) + "g entrypoint for job night: uv run\n/bin/sh: 1: uv: not found\n",
            "Job entrypoint command failed with exit code 127: /bin/sh: 1: uv: not found",
        ),
        (RAY.format(1), "Job entrypoint command failed with exit code 1"),
        (
            "Job entrypoint command failed with exit code 9. No logs available.",
            "Job entrypoint command failed with exit code 9. No logs available.",
        ),
        (
            "runtime_env setup failed:\nTraceback (most recent call last):\n  File\n\nOSError: a\n",
            "runtime_env setup failed: OSError: a",
        ),
        (
            "Traceback (most recent call last):\n  File 'a'\nPermissionError: [Errno 13] /tmp/ray",
            "PermissionError: [Errno 13] /tmp/ray",
        ),
        (
            "Failed to start supervisor actor n: 'dead'. Full traceback:\nTrace\nRayError: dead",
            "Failed to start supervisor actor n: 'dead': RayError: dead",
        ),
        (
            "Request failed with status code 500: Traceback (most recent call last):\nKeyError: 1",
            "Request failed with status code 500: KeyError: 1",
        ),
    ],
)
def test_the_cause_is_rays_words_with_the_last_line(message: str, expected: str) -> None:
    assert cause(message) == expected


def test_the_end_of_a_long_log_has_whole_lines() -> None:
    log = "\n".join(f"epoch {number}" for number in range(50_000)) + "\nValueError: NaN\n\n"
    assert log_end(log)[-1] == "ValueError: NaN"
    assert log_end(log)[0] == f"epoch {50_000 - LOG_LINES + 1}"
    assert len(log_end(log)) == LOG_LINES
    assert log_end("") == []


def test_of_one_huge_line_the_end_is_kept() -> None:
    (line,) = log_end("x" * 5_000_000 + " RuntimeError: too many")
    assert len(line) == LINE_CHARACTERS + 1
    assert line.startswith("…")
    assert line.endswith("RuntimeError: too many")
    assert cause(f"failed:\n{line * 9}").endswith("RuntimeError: too many")
    assert len(cause("y" * 10_000 + f"\n{line}")) < 3 * LINE_CHARACTERS


def test_colours_and_progress_bars_leave_their_text() -> None:
    log = "\x1b[36m(raylet)\x1b[0m 10 %\r 20 %\r\x1b[2K\x1b[31mOSError\x1b[0m: full\n"
    assert log_end(log) == ["(raylet) 10 %", "20 %", "OSError: full"]


@pytest.mark.parametrize(
    "line",
    [
        "/bin/sh: 1: uv: not found",
        "/bin/sh: line 1: uv: command not found",
        "bash: uv: command not found",
        "zsh:1: command not found: uv",
        "/bin/sh: 1: exec: uv: not found",
        "/usr/bin/env: 'uv': No such file or directory",
        "/usr/bin/env: \u2018uv\u2019: No such file or directory",
        "FileNotFoundError: [Errno 2] No such file or directory: 'uv'",
    ],
)
def test_a_missing_program_is_found_in_the_words_of_each_shell(line: str) -> None:
    log = f"Running entrypoint for job night: {UV}\n{line}\n"
    assert missing_program(UV, log) == "uv"
    assert missing_program("python -m x", log) is None


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("", "/bin/sh: 1: uv: not found"),
        ("  ", ""),
        (UV, ""),
        (UV, "ModuleNotFoundError: No module named 'uv'"),
        (UV, "error: image registry/uv: not found in cache"),
        (UV, "/bin/sh: 1: nvcc: not found"),
        (UV, "/bin/sh: 1: uv: not found" + "\nepoch" * 50),
    ],
)
def test_other_errors_are_no_missing_program(command: str, text: str) -> None:
    assert missing_program(command, text) is None
