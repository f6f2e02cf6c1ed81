"""Who types: what the audit names."""

import getpass
import os
import socket


def actor() -> str:
    """`user@host`; the number of a user without a name, as containers have them."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
