"""Runtimes: what runs an artifact on a device."""
