"""Decisions, pure: facts in, a decision out. No driver, settings, clock, dice or log; time and chance arrive as arguments."""
