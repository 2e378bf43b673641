"""MLflow runs that are kept up with a running sweep."""
