"""What AWS says about the account: what points at pipelines, who owns it, which stacks exist. No decisions."""
