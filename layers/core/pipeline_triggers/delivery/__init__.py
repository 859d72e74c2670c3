"""A message from a handler's queue → a verdict for each pipeline."""
