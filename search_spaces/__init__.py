"""What may be tried: domains, conditional search spaces, configurations, presets."""
