"""Schedulers: which trials go on (early stopping)."""
