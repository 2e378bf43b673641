"""The verb ``doctor``: what this machine offers, what is missing."""

# ruff: noqa: PLC0415 - what is heavy is imported where it is used

from __future__ import annotations

import typer

from orchestrator.cli.options import AsJson, StorageRoot, examples
from orchestrator.cli.output import bytes_text, say, say_json, say_pairs

EPILOG = examples("segsweep doctor", "segsweep doctor --json")


def register(app: typer.Typer) -> None:
    """Add the verb to the command."""
    app.command("doctor", epilog=EPILOG)(doctor)


def doctor(storage: StorageRoot = None, as_json: AsJson = False) -> None:  # noqa: FBT002
    """Say what this machine offers.

    Leaves with exit code 1 where something is missing without which no sweep runs.
    """
    from orchestrator.cli.machine import examine, problems
    from orchestrator.spec.sweep_spec import default_storage_root

    facts = examine(str(storage) if storage else default_storage_root())
    found = problems(facts)
    if as_json:
        say_json({**facts.to_mapping(), "problems": [str(problem) for problem in found]})
    else:
        packages = ", ".join(f"{name} {version}" for name, version in facts.packages.items())
        say_pairs(
            [
                ("python", facts.python),
                ("packages", packages),
                ("optional", ", ".join(facts.optional) or "none"),
                ("cpus", f"{facts.cpus:g} usable"),
                (
                    "memory",
                    f"{bytes_text(facts.memory_free)} free of {bytes_text(facts.memory_total)}",
                ),
                ("gpus", ", ".join([*facts.gpus, f"CUDA {facts.cuda}"]) if facts.gpus else "none"),
                ("storage", f"{facts.storage} ({bytes_text(facts.disk_free)} free)"),
                ("shared memory", bytes_text(facts.shared_memory)),
                ("lanes", f"{facts.lanes} of one train worker each"),
                ("ray cluster", facts.ray_address or "none named; a sweep starts a local Ray"),
                ("tracking", facts.tracking),
            ]
        )
        for problem in found:
            say(f"{'MISSING' if problem.fatal else 'note'}: {problem.text}")
        if not found:
            say("nothing is missing")
    if any(problem.fatal for problem in found):
        raise typer.Exit(1)
