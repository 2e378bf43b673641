"""Promotion of trials to registered models: choice, gates, aliases, rollback."""
