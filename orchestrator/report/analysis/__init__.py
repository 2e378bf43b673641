"""What the trial records of a sweep amount to, without a format."""
