"""What frameworks hand over, without a server."""
