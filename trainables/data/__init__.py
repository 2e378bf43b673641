"""Labelled images: their layouts on disk, their check, the decoded cache, transforms, data sets."""
