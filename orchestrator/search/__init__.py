"""What to try next: searchers, schedulers, the cost gate, Pareto fronts."""
