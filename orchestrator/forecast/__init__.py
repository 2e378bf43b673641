"""Plans: what a sweep will do, said before it does it."""
