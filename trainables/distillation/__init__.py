"""Distillation: the teacher, its cached soft labels."""
