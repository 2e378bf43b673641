"""Names of the searchers and schedulers that a spec may choose."""

DEFAULT_SEARCHER = "cost-aware"
DEFAULT_SCHEDULER = "expected-improvement"
FORMER_SCHEDULERS = {"prospect": DEFAULT_SCHEDULER}
"""Current names by the former ones, which are still accepted."""
_SEARCHERS = ("random", DEFAULT_SEARCHER, "nsga2", "motpe")
_SCHEDULERS = (DEFAULT_SCHEDULER, "mo-asha", "mo-asha-promote", "asha", "none")


def searcher_names() -> tuple[str, ...]:
    """Return the names that ``make_searcher`` accepts."""
    return _SEARCHERS


def scheduler_names() -> tuple[str, ...]:
    """Return the names that ``make_scheduler`` accepts, the default first, without former ones."""
    return _SCHEDULERS


def current_scheduler(name: str) -> str:
    """Return the current name of a scheduler that may be given by its former one."""
    return FORMER_SCHEDULERS.get(name, name)
