"""Exit codes of the command; 0 is success."""

OUR_FAULT = 1
"""An unexpected error; its traceback is in a log."""
NO_RESULT = 1
"""A sweep ended without a complete trial."""
USER_FAULT = 2
"""A user error, such as a fault of the spec."""
INTERRUPTED = 130
"""Interrupted by Ctrl-C; 128 + SIGINT, as in shells."""
