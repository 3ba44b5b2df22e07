"""The edge: HTTP and timer functions that parse, start, signal, query and answer. Rules live in `passkeys`."""
