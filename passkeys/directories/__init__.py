"""Company directories behind the port of passkeys/directory.py: one module for each, and what they have in common.

A person's id is the provider's own, which is never given to anybody else. `claims` hold `roles`, names of ours that
configuration maps the provider's groups to, and nothing more: no group leaves an adapter.
"""
