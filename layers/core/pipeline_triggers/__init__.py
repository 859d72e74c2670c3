"""Start Amazon SageMaker Pipelines from events.

The way of an event, all of it in Lambda: ``events`` (raw payload → Occurrence), ``delivery`` (condition, values),
``starts`` (ledger, StartPipelineExecution), ``telemetry`` (verdict → log and metric). ``janitor`` cleans up after a
deleted pipeline. ``account`` and ``language`` serve them.

The way of a document, all of it on a laptop or in CI: ``documents`` (YAML → Triggers), ``compile`` (Triggers → the
files that CloudFormation and the handlers read), ``operations`` and ``cli`` (commands).
"""
