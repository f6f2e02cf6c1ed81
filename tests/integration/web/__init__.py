"""The HTTP API on a real database and, mostly, a real socket."""
