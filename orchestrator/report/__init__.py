"""Reports of a sweep: front, plots, pages, text and progress."""
