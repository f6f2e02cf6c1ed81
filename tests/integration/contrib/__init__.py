"""The doors of the frameworks, on a PostgreSQL."""
