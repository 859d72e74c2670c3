"""YAML documents → Triggers, or every problem in them. Pure."""
