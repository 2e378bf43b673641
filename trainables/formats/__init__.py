"""Formats of artifacts and the runtimes that load them."""
