"""What the tests share: servers, databases, a sink, and the one way to wait."""
