"""Truth: PostgreSQL. One module per table, one function per statement; the caller owns the transaction."""
