"""Run, resume, submit, verify, export: the other packages put together."""
