"""Sweeps that are driven on a cluster rather than here."""
