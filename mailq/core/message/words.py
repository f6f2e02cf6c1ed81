"""Encoded words: how a header says what ASCII cannot (RFC 2047)."""

from base64 import b64encode
from collections.abc import Iterator
from functools import lru_cache

_WORD_LENGTH = 75  # RFC 2047 section 2
_LINE_LENGTH = 76  # the same section, for every line that contains an encoded word
_FRAME = len("=?utf-8?q??=")
# What `Q` may leave as it is everywhere, also in a phrase (section 5, rule 3); a space becomes an underscore.
_BARE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_QUOTED = {octet: chr(octet) if chr(octet) in _BARE else f"={octet:02X}" for octet in range(256)} | {ord(" "): "_"}


def is_plain(word: str) -> bool:
    """Whether a word can stand in a header as it is: visible ASCII that no reader takes for an encoded word."""
    return word.isascii() and word.isprintable() and word != "" and " " not in word and "=?" not in word


def encoded_words(text: str, *, column: int) -> str:
    """The text as encoded words, folded: characters are never split, lines stay within 76 columns.

    Args:
        column: how much of the current line is used; if no word fits there, the first one starts a new line.

    Raises:
        UnicodeEncodeError: the text contains a lone surrogate.
    """
    octets = text.encode("utf-8")
    payload = _quoted(text)
    quoted = len(payload) <= -(-len(octets) // 3) * 4
    if quoted and len(payload) <= _room(_LINE_LENGTH - column, quoted=True):
        return f"=?utf-8?q?{payload}?="
    if not quoted and len(octets) <= _room(_LINE_LENGTH - column, quoted=False):
        return _base64_word(text)
    return "\r\n ".join(map(_quoted_word if quoted else _base64_word, _chunks(text, column, quoted=quoted)))


def _chunks(text: str, column: int, *, quoted: bool) -> Iterator[str]:
    width = _quoted_width if quoted else _octets
    room = _room(_LINE_LENGTH - column, quoted=quoted)
    start = used = 0
    for index, character in enumerate(text):
        needed = width(character)
        if used + needed > room:
            yield text[start:index]
            start, used = index, 0
            room = _room(_LINE_LENGTH - 1, quoted=quoted)
        used += needed
    yield text[start:]


def _room(columns: int, *, quoted: bool) -> int:
    """How much of a word's payload fits: columns for `Q`, octets for `B`."""
    payload = min(columns, _WORD_LENGTH) - _FRAME
    return payload if quoted else payload // 4 * 3


@lru_cache(maxsize=4096)
def _octets(character: str) -> int:
    return len(character.encode("utf-8"))


def _quoted(text: str) -> str:
    return text.encode("utf-8").decode("latin-1").translate(_QUOTED)


@lru_cache(maxsize=4096)
def _quoted_width(character: str) -> int:
    return len(_quoted(character))


def _quoted_word(chunk: str) -> str:
    return f"=?utf-8?q?{_quoted(chunk)}?=" if chunk else ""


def _base64_word(chunk: str) -> str:
    return f"=?utf-8?b?{b64encode(chunk.encode('utf-8')).decode('ascii')}?=" if chunk else ""
