"""What a command does with an account."""
