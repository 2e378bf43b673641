"""Baselines: named configs that a sweep trains first, for comparison."""
