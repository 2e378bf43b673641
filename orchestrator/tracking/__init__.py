"""Sweeps in MLflow: the writer that fills it, the views it opens on, the server that shows it."""
