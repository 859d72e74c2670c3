"""``make benchmark``: what handlers and commands cost, side by side with a ten-line handler."""
