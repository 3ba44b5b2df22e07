"""The sequences: plain generators, replayed from the start at every episode, that name what happens next and do none of it."""
