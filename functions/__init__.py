"""The Lambda handlers: one file each, named after what it reacts to."""
