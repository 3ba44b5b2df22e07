"""The whole system from outside: real processes, real HTTP, real files."""
