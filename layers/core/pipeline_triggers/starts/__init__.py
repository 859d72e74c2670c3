"""The one door to StartPipelineExecution: check against the definition, plan, ledger, start."""
