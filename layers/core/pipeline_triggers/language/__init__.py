"""What the words of a trigger document mean: sources, globs, stages, values, JSONata and looked-up fields. Pure."""
