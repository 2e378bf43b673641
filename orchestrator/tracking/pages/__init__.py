"""The MLflow pages of a sweep: saved views, charts, notes, artifacts."""
