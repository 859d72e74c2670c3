"""Through the really deployed stack, on the embedded AWS with IAM enforced."""
