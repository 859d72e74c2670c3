"""Documents → stack.yaml (CloudFormation) and triggers.json (for the handlers). Pure."""
