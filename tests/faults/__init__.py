"""The host is killed, at random and at every commit; what was accepted must be there, once, and right."""
