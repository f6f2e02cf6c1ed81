"""What becomes of letters when a relay misbehaves: one module per behaviour. `tests.support.trials` compares the books in every test."""
