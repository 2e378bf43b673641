"""Runtimes, which run artifacts on a device."""
