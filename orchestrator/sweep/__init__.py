"""The state machine of one sweep."""
