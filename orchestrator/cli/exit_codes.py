"""Exit codes that several verbs leave with; 0 is success."""

OUR_FAULT = 1
"""An unexpected error of ours, with a log."""
USER_FAULT = 2
"""Something that the user can mend."""
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""
