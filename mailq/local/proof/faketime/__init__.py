"""What Python needs to live with libfaketime; on the PYTHONPATH of servers whose clock is wrong."""
