"""Labelled images: layouts on disk, the data check, the decoded cache, transforms, data sets."""
