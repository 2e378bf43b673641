"""The command line: one small module per verb, heavy imports only where a verb runs."""
