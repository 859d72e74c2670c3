"""Pure and fast: no process, no network, no clock."""
