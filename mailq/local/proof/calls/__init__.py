"""The proof of calls and conversations: everything is killed at random while calls come in, run, and are answered."""
