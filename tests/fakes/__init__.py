"""Directories of other companies', played from their documentation: what they answer, and every way of not answering."""
