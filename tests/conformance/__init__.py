"""FIDO's documented server tests, mirrored through the door: what must succeed does, what must fail does, and why."""
