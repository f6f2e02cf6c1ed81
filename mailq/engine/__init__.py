"""Movements: each step reads facts from the store, asks the core to decide, and writes the answer."""
