"""Public ids: a prefix and opaque characters, so that numbers inside stay inside."""

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def base32(octets: bytes) -> str:
    """Bytes in Crockford's base 32 (no i, l, o, u: read aloud without doubt)."""
    number = int.from_bytes(octets, "big")
    digits = []
    for _ in range(-(-len(octets) * 8 // 5)):
        number, digit = divmod(number, 32)
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def public_id(prefix: str, random_bytes: bytes) -> str:
    """An id such as `mlg_4fq0…`: the prefix and the bytes."""
    return f"{prefix}_{base32(random_bytes)}"
