"""The terminal: mailqctl."""
