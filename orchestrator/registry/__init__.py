"""From a sweep's front to the model that is in use."""
