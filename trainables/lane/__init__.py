"""Lanes: groups of warm Ray Train workers that run one trial after the other."""
