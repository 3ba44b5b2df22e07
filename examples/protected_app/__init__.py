"""A small application whose API serves only people who have signed in with a passkey at the service."""
