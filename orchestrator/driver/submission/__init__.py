"""Submission of sweeps to a Ray cluster."""
