"""Export of deployable artifacts."""
