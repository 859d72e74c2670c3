"""Raw payload → Occurrence. Pure."""
