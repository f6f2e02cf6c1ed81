"""The embedded stack: PostgreSQL, Redis and a mail sink for up, demo and the tests."""
