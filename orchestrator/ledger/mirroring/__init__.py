"""Sweeps copied to an object store, fetched from there on another machine."""
