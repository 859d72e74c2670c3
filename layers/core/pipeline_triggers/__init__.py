"""Start Amazon SageMaker Pipelines from events.

The way of the data: ``events`` (raw payload → Occurrence), ``parameters`` (Occurrence → values),
``start`` (→ StartPipelineExecution → Verdict), ``verdicts`` (→ log and metric).
``documents`` and ``compile`` turn the trigger documents into what the handlers and CloudFormation read.
"""
