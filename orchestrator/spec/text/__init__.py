"""Texts, paths and addresses of a spec."""
