"""A single-machine host for Azure Functions apps written in Python: functions, durable engine and one SQLite file."""
