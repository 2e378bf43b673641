"""Artifacts: the files that ship."""
