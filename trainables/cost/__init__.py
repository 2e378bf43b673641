"""Costs: what a model takes to run."""
