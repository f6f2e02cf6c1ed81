"""The proof of the producers' door: the HTTP API is killed at random while producers retry under their keys."""
