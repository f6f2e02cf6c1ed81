"""Public ids: a prefix and opaque characters, so that numbers inside stay inside."""

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def public_id(prefix: str, random_bytes: bytes) -> str:
    """An id such as `mlg_4fq0…`: the prefix and the bytes in Crockford's base 32 (no i, l, o, u: read aloud without doubt)."""
    number = int.from_bytes(random_bytes, "big")
    digits = []
    for _ in range(-(-len(random_bytes) * 8 // 5)):
        number, digit = divmod(number, 32)
        digits.append(_ALPHABET[digit])
    return f"{prefix}_{''.join(reversed(digits))}"
