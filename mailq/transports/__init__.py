"""The wire: sessions to relays."""
