"""Lanes: groups of warm workers, each of which runs one trial after the other."""
