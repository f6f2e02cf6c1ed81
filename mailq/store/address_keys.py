"""The key of an address, in SQL: what two spellings of one mailbox have in common, as `Address.key` has it."""

_KEY = """
CASE WHEN octet_length({address}) = char_length({address}) THEN lower({address})
     ELSE lower(lower({address}) COLLATE "default") COLLATE "C" END
"""


def key_of(address: str) -> str:
    """The key of the addresses in a column. Compared by bytes an address is lowered as ASCII; what else there is of it, the
    database's own locale knows how to lower.

    Args:
        address: the column, whose collation is C.
    """
    return _KEY.format(address=address)
