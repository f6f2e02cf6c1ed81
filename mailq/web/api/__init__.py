"""The HTTP API under `/v1`: thin routers over the same functions that the terminal and the Python client call."""
