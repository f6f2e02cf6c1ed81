"""Names that people give to things."""

from mailq.errors import BadInput

_LONGEST = 200


def require_readable(field: str, value: str) -> None:
    """Refuse a name that nobody could read.

    Raises:
        BadInput: it is empty, too long, or not printable.
    """
    if not (value.strip() and len(value) <= _LONGEST and value.isprintable()):
        raise BadInput(f"a {field} is 1 to {_LONGEST} printable characters on one line", field=field)
