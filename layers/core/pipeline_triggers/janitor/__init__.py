"""A deleted pipeline → its schedules and rule targets are removed, with a snapshot of each."""
