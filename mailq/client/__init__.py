"""The producers' door in Python."""
