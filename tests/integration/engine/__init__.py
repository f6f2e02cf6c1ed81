"""The engine on a real PostgreSQL, with wires of its own making."""
