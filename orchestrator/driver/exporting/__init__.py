"""Exporting: what a sweep's best trials leave to be deployed."""
