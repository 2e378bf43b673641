"""What the user asked for: a sweep as one YAML file or as frozen dataclasses."""
