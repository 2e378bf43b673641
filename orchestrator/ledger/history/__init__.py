"""Sweep history: trials of earlier sweeps for forecasts and warm starts."""
