"""Scripted misbehaviour: one rule a line, words `key=value`, the first that fits decides.

    address=*@slow.example delay=2s
    odds=0.01 tempfail
    address=bob@x.example reject=550 5.1.1 no such user
    address=*@flaky.example at=dot tempfail=451 4.3.0 try again times=2
    odds=0.001 drop=after-dot

When: `address=PATTERN` (shell wildcards, any case), `odds=0..1`, `times=N` (the first N matches of each address), `at=STAGE`:
`connect`, `mail`, `rcpt`, `data`, `dot` (before `rcpt` no address is known: there a rule with `address=` never fits).
What: `reject[=REPLY]`, `tempfail[=REPLY]` (at rcpt unless said otherwise), `delay=TIME` (at dot; goes on to the next rule), and
`drop=`: `now` (close instead of answering), `before-dot` (close when the content begins to arrive), `after-dot` (accept, close
without the reply), `after-dot-unaccepted` (close without either). Empty lines and lines that begin with `#` are skipped.
"""

import fnmatch
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import blake2b
from random import Random
from typing import TypeVar

from mailq.errors import BadInput

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "": 1.0}
_Choice = TypeVar("_Choice", bound=StrEnum)
_KEYS = frozenset({"address", "odds", "times", "at", "reject", "tempfail", "delay", "drop"})
_DEFAULT_REPLY = {"reject": "550 5.1.1 no such user here", "tempfail": "450 4.2.1 mailbox busy, try again later"}
_REPLY = re.compile(r"([45])\d\d(?: ([45])\.\d{1,3}\.\d{1,3})?(?: [^\x00-\x1f\x7f]*)?", re.ASCII)


class Stage(StrEnum):
    """Where in the dialogue a rule speaks."""

    CONNECT = "connect"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    DOT = "dot"


class Drop(StrEnum):
    """How a connection is lost."""

    NOW = "now"
    BEFORE_DOT = "before-dot"
    AFTER_DOT = "after-dot"
    AFTER_DOT_UNACCEPTED = "after-dot-unaccepted"


_STAGE_OF_DROP = {
    Drop.NOW: Stage.RCPT,
    Drop.BEFORE_DOT: Stage.DATA,
    Drop.AFTER_DOT: Stage.DOT,
    Drop.AFTER_DOT_UNACCEPTED: Stage.DOT,
}


@dataclass(frozen=True)
class Rule:
    """One line, understood. `delay` is in seconds, `reply` a whole reply without its line end."""

    at: Stage
    address: str | None = None
    odds: float = 1.0
    times: int | None = None
    delay: float = 0.0
    reply: bytes | None = None
    drop: Drop | None = None

    @property
    def decides(self) -> bool:
        """Whether the rules below are not asked any more."""
        return self.reply is not None or self.drop is not None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is to be done at a stage; the default is to be polite."""

    delay: float = 0.0
    reply: bytes | None = None
    drop: Drop | None = None


POLITE = Verdict()


def parse(line: str) -> Rule:
    """Read one rule.

    Raises:
        BadInput: with the line and what is wrong with it.
    """
    try:
        return _rule(_words(line))
    except ValueError as fault:
        raise BadInput(f"sink rule {line.strip()!r}: {fault}") from None


def parse_all(lines: Iterable[str]) -> list[Rule]:
    """Read rules, skipping empty lines and comments."""
    return [parse(line) for line in lines if line.strip() and not line.lstrip().startswith("#")]


@dataclass
class RuleBook:
    """The rules in force, and how often each has fitted.

    With a seed the odds depend on rule, address and how often that address came, not on the order of a busy wire: the same run
    gives the same misbehaviour.
    """

    rules: Sequence[Rule] = ()
    seed: int | None = None
    _at: dict[Stage, list[tuple[int, Rule, re.Pattern[str] | None]]] = field(init=False, default_factory=dict)
    _fits: Counter[tuple[int, str]] = field(init=False, default_factory=Counter)
    _throws: Counter[tuple[int, str]] = field(init=False, default_factory=Counter)
    _dice: Random = field(init=False, default_factory=Random)

    def __post_init__(self) -> None:
        self.replace(self.rules)

    def replace(self, rules: Sequence[Rule]) -> None:
        """Put other rules in force; counting starts anew."""
        by_stage: dict[Stage, list[tuple[int, Rule, re.Pattern[str] | None]]] = {stage: [] for stage in Stage}
        for number, rule in enumerate(rules):
            pattern = re.compile(fnmatch.translate(rule.address), re.IGNORECASE) if rule.address is not None else None
            by_stage[rule.at].append((number, rule, pattern))
        self.rules, self._at = list(rules), by_stage
        self._fits.clear()
        self._throws.clear()

    def judge(self, stage: Stage, address: str | None = None) -> Verdict:
        """What the rules want at this stage for this recipient."""
        delay = 0.0
        for number, rule, pattern in self._at[stage]:
            if pattern is not None and (address is None or not pattern.match(address)):
                continue
            if not self._falls(number, rule, address or ""):
                continue
            delay += rule.delay
            if rule.decides:
                return Verdict(delay, rule.reply, rule.drop)
        return Verdict(delay) if delay else POLITE

    def _falls(self, number: int, rule: Rule, address: str) -> bool:
        key = (number, address.casefold())
        if rule.times is not None and self._fits[key] >= rule.times:
            return False
        if rule.odds < 1.0 and self._throw(key) >= rule.odds:
            return False
        if rule.times is not None:
            self._fits[key] += 1
        return True

    def _throw(self, key: tuple[int, str]) -> float:
        if self.seed is None:
            return self._dice.random()
        self._throws[key] += 1
        word = f"{self.seed} {key[0]} {self._throws[key]} {key[1]}".encode(errors="surrogateescape")
        return int.from_bytes(blake2b(word, digest_size=7).digest()) / 2**56


def _words(line: str) -> dict[str, str]:
    """The keys of a line; a reply's text runs on to the next key."""
    found: dict[str, str] = {}
    last = ""
    for word in line.split():
        key, equals, value = word.partition("=")
        if key in _KEYS and (equals or (key in _DEFAULT_REPLY and not (last in _DEFAULT_REPLY and found[last]))):
            if key in found:
                raise ValueError(f"{key} is there twice")
            found[key] = value
            last = key
        elif last in _DEFAULT_REPLY and found[last]:
            found[last] += f" {word}"
        else:
            raise ValueError(f"{word!r} is not understood; a rule is made of {', '.join(sorted(_KEYS))}")
    return found


def _rule(words: dict[str, str]) -> Rule:
    drop = _one_of(Drop, words["drop"]) if "drop" in words else None
    reply = _reply(words)
    if not (drop or reply or "delay" in words):
        raise ValueError("it does nothing: add reject, tempfail, delay or drop")
    if drop and reply:
        raise ValueError("it both replies and drops")
    usual = _STAGE_OF_DROP[drop] if drop else Stage.RCPT if reply else Stage.DOT
    stage = _one_of(Stage, words["at"]) if "at" in words else usual
    if drop and drop is not Drop.NOW and stage is not usual:
        raise ValueError(f"drop={drop} happens at {usual} only")
    return Rule(
        at=stage,
        address=words.get("address"),
        odds=_number(words, "odds", 1.0, most=1.0),
        times=int(_number(words, "times", 0.0, whole=True)) if "times" in words else None,
        delay=_seconds(words["delay"]) if "delay" in words else 0.0,
        reply=reply,
        drop=drop,
    )


def _reply(words: dict[str, str]) -> bytes | None:
    chosen = [key for key in _DEFAULT_REPLY if key in words]
    if not chosen:
        return None
    if len(chosen) > 1:
        raise ValueError("it both rejects and tempfails")
    text = words[chosen[0]] or _DEFAULT_REPLY[chosen[0]]
    found = _REPLY.fullmatch(text)
    wanted = "5" if chosen[0] == "reject" else "4"
    if not found or found[1] != wanted or found[2] not in (None, wanted):
        raise ValueError(f"{text!r} is no reply that begins with {wanted}")
    return text.encode()


def _one_of(kind: type[_Choice], value: str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        raise ValueError(f"{value!r} is none of {', '.join(kind)}") from None


def _number(words: dict[str, str], key: str, default: float, *, most: float = 1e9, whole: bool = False) -> float:
    if key not in words:
        return default
    pattern = r"\d{1,9}" if whole else r"\d{0,9}\.?\d{1,12}"
    if not re.fullmatch(pattern, words[key], re.ASCII) or float(words[key]) > most:
        raise ValueError(f"{key}={words[key]} is out of range")
    return float(words[key])


def _seconds(value: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|)", value, re.ASCII)
    if not found:
        raise ValueError(f"delay={value} is no time; write 2s or 300ms")
    return float(found[1]) * _UNITS[found[2]]
