"""Named configurations that a sweep trains first, to be compared with what it finds."""
