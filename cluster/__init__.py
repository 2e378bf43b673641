"""Where processes run: capacity, telemetry, local Ray, jobs on remote clusters."""
