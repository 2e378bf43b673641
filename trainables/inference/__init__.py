"""Trained models at work on images they have not seen."""
