"""Conformance of the local host to the Durable protocol, seen from outside: real processes, real HTTP, sample apps."""
