"""One step of work each, and the only place where a ceremony does I/O.

Every activity takes and returns one JSON object, and may run more than once for the same ceremony: it is
idempotent, keyed by the ceremony's id. Expected failures are values in the result. An exception means that a
dependency failed for longer than `activities.retries` waits.
"""
