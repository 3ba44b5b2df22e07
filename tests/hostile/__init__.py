"""Whatever arrives, the answer is a clear 4xx or a recorded rejection, never a 5xx, and the host lives."""
