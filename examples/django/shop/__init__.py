"""A shop with members and a newsletter."""
