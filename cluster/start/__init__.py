"""Connections to Ray, and the start and end of a local Ray."""
