"""Ray Tune's view of a sweep: thin adapters over its decisions."""
