"""The whole story in ten seconds: a software authenticator, a client, and a host of its own (`python -m demo`)."""
