"""``triggers doctor``: what is or will be broken in a deployed stack, each with what fixes it. Only reads."""
