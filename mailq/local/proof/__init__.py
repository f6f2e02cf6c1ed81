"""The proof: a real stack, a mailing always on the wire, a seeded schedule of faults, and two ledgers compared. See `mailqctl prove`."""
