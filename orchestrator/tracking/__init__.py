"""Sweeps in MLflow: the writer, the saved views, the server."""
