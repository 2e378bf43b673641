"""Distillation: the teacher and its cached soft labels."""
