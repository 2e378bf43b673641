"""Compression: fewer channels, fewer weights, fewer bits."""
