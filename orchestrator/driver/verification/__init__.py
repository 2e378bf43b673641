"""Checks that a sweep's ledger, deciders, files and MLflow runs agree."""
