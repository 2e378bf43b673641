"""Exit codes that several verbs leave with; 0 is success."""

OUR_FAULT = 1
"""An unexpected error of ours, with a log."""
NO_RESULT = 1
"""A sweep ended without a single complete trial."""
USER_FAULT = 2
"""Something that the user can mend."""
INTERRUPTED = 130
"""Ctrl-C, as shells have it."""
