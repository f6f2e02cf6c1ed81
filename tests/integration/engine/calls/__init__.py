"""Calls: received, run, ended, answered."""
