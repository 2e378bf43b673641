"""Whether what a sweep has written in several places tells one story."""
