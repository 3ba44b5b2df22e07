"""Complete sign-ins, timed: the app on its local host, beside a server that does no more than verify (`python -m bench`)."""
