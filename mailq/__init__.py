"""mailq: a bulk mailer that keeps books."""

import os

# libpq's Kerberos probe takes a mutex that a forked child may inherit locked; who wants GSS says so before the import.
os.environ.setdefault("PGGSSENCMODE", "disable")

__version__ = "0.1.0"
