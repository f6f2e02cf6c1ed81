"""The mail sink: an SMTP server that delivers nothing, keeps books of its own, and misbehaves as it is told."""
