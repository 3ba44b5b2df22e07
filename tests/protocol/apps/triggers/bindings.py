"""The annotation of a `context` parameter need only be a type of that name."""


class Context:
    """Stands for the worker's own class."""
