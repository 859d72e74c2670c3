"""Batches: joining, closing, waiting, starting."""
