"""GPU readings, GPU health and the location of a worker."""
