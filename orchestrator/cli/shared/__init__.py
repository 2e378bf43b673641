"""Options, output, errors and hints that several verbs share."""
