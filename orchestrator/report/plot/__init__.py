"""The Pareto front as a PNG and as an interactive HTML page."""
