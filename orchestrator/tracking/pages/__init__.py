"""What the MLflow pages of a sweep show: views, plots, notes."""
