"""A sweep as its user describes it: one YAML file or the same thing as frozen dataclasses."""
