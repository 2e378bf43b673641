"""Where processes run: resources, telemetry, local and remote back-ends."""
