"""Names of the searchers and schedulers that a spec may choose."""

DEFAULT_SEARCHER = "cost-aware"
DEFAULT_SCHEDULER = "prospect"
_SEARCHERS = ("random", DEFAULT_SEARCHER, "nsga2", "motpe")
_SCHEDULERS = (DEFAULT_SCHEDULER, "mo-asha", "mo-asha-promote", "asha", "none")


def searcher_names() -> tuple[str, ...]:
    """Return the names that ``make_searcher`` accepts."""
    return _SEARCHERS


def scheduler_names() -> tuple[str, ...]:
    """Return the names that ``make_scheduler`` accepts, the default first."""
    return _SCHEDULERS
