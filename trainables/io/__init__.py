"""Files: atomic writes, claims, object stores, redaction of secrets."""
