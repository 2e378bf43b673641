"""Writes the events of a running sweep to its MLflow runs."""
