"""The terminal: mailqctl. It parses, calls what producers and operators call, and renders; it decides nothing.

Data goes to stdout, progress and messages to stderr. Exit codes: 0 ok, 1 failure, 2 usage, 4 not found, 5 conflict, 65 bad
input, 69 a service does not answer, 75 try again, 78 configuration, 130 Ctrl-C, 141 nobody reads our output any more.
"""

from mailq.cli.root import main

__all__ = ["main"]
