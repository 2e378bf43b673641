"""Earlier sweeps: their trials, and what a new sweep learns from them."""
