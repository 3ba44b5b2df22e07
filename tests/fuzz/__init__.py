"""Fuzzing: whatever bytes come in, a verdict or the one rejection comes out, and no acceptance that is not deserved.

inputs.py     an input of the fuzzer: a few bytes that choose, and the parts of what arrives
mutation.py   changes that keep structure: JSON, CBOR, authenticator data, DER
ceremonies.py what is fuzzed from: the W3C vectors and the re-signing kits, and how a changed one is signed again
oracle.py     what an acceptance implies, read from the bytes by other means than the verifier's
targets.py    the table of targets: their seeds, what is mutated in them, what they run
coverage.py   one target under atheris, guided by coverage
plain.py      one target without it: a seeded loop, the same every time
__main__.py   `make fuzz`: all targets, to a number of executions; goes on where it stopped
"""
