"""Rate limiters and audit logs: small state machines with durable state, one operation at a time.

Rules of the Durable Functions entity (Python SDK 1.x), kept by every operation here: everything is checked
before `set_state`, because what was set before an exception stays; `set_state` is called once, last but for
the result; `set_result` is always called, because otherwise the operation before answers for this one; and
`get_input` only where an input was sent, because without one it raises.
"""
