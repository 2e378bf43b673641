"""Segmentation networks, built from trial configurations."""
