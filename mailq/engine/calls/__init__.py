"""Calls: accepted at once in their producer's transaction, run later, once, and answered as their producer chose."""
