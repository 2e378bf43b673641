"""The result of a sweep in the forms people and programs read."""
