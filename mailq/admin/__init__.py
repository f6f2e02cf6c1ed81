"""What operators and watchers do, as plain functions over plain values: for the HTTP API, a console, the terminal.

Each takes the organization it is done for: `None` is an operator, who sees all of them. What is another organization's is not found.
"""
