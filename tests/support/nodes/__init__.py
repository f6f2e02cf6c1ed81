"""pytest-celery's nodes as local processes: its broker vendor with our own binary, and our worker server as its worker.

`MAILQ_TEST_NODES=docker` takes the broker from pytest-celery's Docker vendor instead, `auto` does so where an engine answers.
The worker servers are local processes in every mode: what the tests signal, kill and count is their process group.
"""
