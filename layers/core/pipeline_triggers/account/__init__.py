"""What AWS says about the account: what points at pipelines, who owns it, which pipelines exist. No decisions."""
