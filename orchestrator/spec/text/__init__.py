"""Text, files and addresses that a spec is read from."""
