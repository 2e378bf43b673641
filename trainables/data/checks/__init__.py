"""The check of a data set: every file decoded, every fault reported."""
