"""Where templates run: Jinja2's immutable sandbox, with what it leaves open closed as far as that is possible.

Stopped: attributes and methods that reach Python's insides or change values (by Jinja2); loops, recursive macros and calls, by
a budget of time that each turn of a loop and each call asks; growth through `*`, `**`, `+`, `~`, `{% set %}`, filters and
methods, by size; whatever makes two renderings differ (`random`, `lipsum`); templates that load others.

Not stopped: one single step that is slow by itself, because nothing can interrupt it, such as comparing two huge values, or a
filter or method over a text just below the limit; each is bounded by the limits, their number by the time. This guards
against mistakes and mischief of people who may submit mailings. It is no wall between tenants who do not trust each other.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import wraps
from typing import Any

from jinja2 import nodes
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, StrictUndefined, Undefined
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing
from jinja2.visitor import NodeTransformer

_MOST_NUMBER = 10_000  # turns of a range, and widths, counts and precisions given to a filter or method
_MOST_BITS = 1024
_MOST_WRAPPED = 50_000  # characters; the library's effort grows with the square of a word
_REMOVED_FILTERS = ("random", "pprint", "format")
_HARMLESS_FILTERS = frozenset({"default", "d", "first", "last", "length", "count", "safe"})
_REMOVED_GLOBALS = ("lipsum",)
_COUNTING_FILTERS = frozenset({"center", "indent", "batch", "slice", "round", "wordwrap", "tojson"})
_MULTIPLYING_FILTERS = frozenset({"replace", "indent", "wordwrap"})
_UNSAFE_TEXT_METHODS = frozenset(
    {"center", "ljust", "rjust", "zfill", "expandtabs", "join", "format", "format_map", "translate", "encode"}
)
_PRINTABLE = (str, int, float)


class OverBudget(Exception):
    """A template takes more time or space than it may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a content may ask for.

    Attributes:
        template_chars: length of one template.
        template_nodes: what one template consists of: words between tags, names, operators; to compile them cannot be interrupted.
        body_bytes: one rendered body as UTF-8, and any text made on the way.
        header_chars: one rendered header.
        time: for all templates of one message together.
    """

    template_chars: int = 500_000
    template_nodes: int = 20_000
    body_bytes: int = 1_000_000
    header_chars: int = 10_000
    time: timedelta = timedelta(seconds=1)


class Meter:
    """The time that one message may still take; `clock` is monotonic, in seconds."""

    __slots__ = ("_clock", "_deadline", "_steps")

    def __init__(self, clock: Callable[[], float], time: timedelta) -> None:
        self._clock = clock
        self._deadline = clock() + time.total_seconds()
        self._steps = 0

    def step(self) -> None:
        """Count one piece of work, and look at the clock at every sixteenth.

        Raises:
            OverBudget: the time is used up.
        """
        self._steps += 1
        if not self._steps & 15:
            self.look()

    def look(self) -> None:
        """Look at the clock.

        Raises:
            OverBudget: the time is used up.
        """
        if self._clock() > self._deadline:
            raise OverBudget("takes too long")


class MeteredContext(Context):
    """The variables of one rendering, and the meter it runs under."""

    meter: Meter


class Missing(StrictUndefined):
    """A variable that is not there: any use of it fails and says its name, but `default` and `is defined` may ask."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return str(self._undefined_hint)
        if self._undefined_obj is missing:
            return f"the variable {self._undefined_name!r} is missing"
        return f"there is no {self._undefined_name!r} in the value it is asked of"


def weigh(value: object, limit: int) -> int:
    """The characters of a text, or the texts and items of a nested value counted as they would be printed.

    Raises:
        OverBudget: it is more than `limit`.
    """
    total = 0
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            total += len(each)
        elif isinstance(each, Mapping):
            waiting.extend(each.values())
            waiting.extend(each.keys())
        elif isinstance(each, (list, tuple, set, frozenset)):
            waiting.extend(each)
        total += 1
        if total + len(waiting) > limit + 1:
            raise OverBudget(f"makes a value larger than {limit} characters")
    return total


def _tick(context: MeteredContext) -> bool:
    context.meter.step()
    return True


def _printable(value: object) -> object:
    if isinstance(value, _PRINTABLE):
        return value
    if isinstance(value, Undefined):
        return str(value)  # raises, with its name
    if value is None:
        raise TypeError("a value to be printed is null; give it a `default('…', true)`")
    raise TypeError(f"a {type(value).__name__} cannot be printed as it is; `join` it or name one of its fields")


def _range(*bounds: int) -> range:
    numbers = range(*bounds)
    if len(numbers) > _MOST_NUMBER:
        raise OverBudget(f"asks for a range longer than {_MOST_NUMBER}")
    return numbers


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment all templates of one kind (`html` escapes) are compiled and rendered in. Safe to share among threads."""

    intercepted_binops = frozenset({"*", "**", "+", "%"})
    context_class = MeteredContext

    def __init__(self, limits: Limits, *, html: bool) -> None:
        super().__init__(autoescape=html, undefined=Missing, keep_trailing_newline=True, finalize=_printable, auto_reload=False)
        self.limits = limits
        self.tick = _tick
        self.capped = self.cap
        self.globals = {name: value for name, value in self.globals.items() if name not in _REMOVED_GLOBALS} | {"range": _range}
        self.filters = {
            name: function if name in _HARMLESS_FILTERS else self._guarded(name, function)
            for name, function in self.filters.items()
            if name not in _REMOVED_FILTERS
        }
        self.filters["capped"] = self.capped
        self.binop_table = {**self.binop_table, "*": self._times, "**": self._power, "+": self._plus, "%": self._modulo}

    def cap(self, value: object) -> object:
        """Let a value on the way through if it is not too large."""
        if not isinstance(value, Undefined):
            weigh(value, self.limits.body_bytes)
        return value

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Besides what Jinja2 hides: the methods of texts that can make them huge; there are filters for it."""
        return super().is_safe_attribute(obj, attr, value) and not (isinstance(obj, str) and attr in _UNSAFE_TEXT_METHODS)

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` is refused like its like, instead of being replaced by a safer one that still obeys widths."""

    # Jinja2 calls it with two positional arguments and the template's own behind them.
    def call(__self, __context: MeteredContext, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override] # noqa: N805, PYI063
        """Call something from a template: it costs a step, its arguments and its result are bounded."""
        if __obj is __self.tick or __obj is __self.capped:
            return __obj(*args)
        __context.meter.step()
        __self._bound_arguments((getattr(__obj, "__self__", None), *args), kwargs, counting=True, multiplying=True)
        return __self.cap(super().call(__context, __obj, *args, **kwargs))

    def _guarded(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A filter that looks at its arguments first. It keeps the marks by which Jinja2 passes a context or environment."""
        first = 1 if hasattr(function, "jinja_pass_arg") else 0
        counting, multiplying = name in _COUNTING_FILTERS, name in _MULTIPLYING_FILTERS
        joining = name == "join"

        @wraps(function)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if name == "wordwrap" and args and isinstance(args[first], str) and len(args[first]) > _MOST_WRAPPED:
                raise OverBudget(f"wraps a text longer than {_MOST_WRAPPED} characters")
            if joining:
                args = (*args[:first], list(args[first]), *args[first + 1 :])
                self._bound_product(len(args[first]), (*args[first + 1 :], *kwargs.values()))
            self._bound_arguments(args[first:], kwargs, counting=counting, multiplying=multiplying)
            return function(*args, **kwargs)

        return guarded

    def _bound_arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, counting: bool, multiplying: bool) -> None:
        others = (*args[1:], *kwargs.values())
        for value in (*args[:1], *others):
            if not isinstance(value, Undefined):
                weigh(value, self.limits.body_bytes)
        if counting and any(isinstance(value, int) and abs(value) > _MOST_NUMBER for value in others):
            raise OverBudget(f"uses a number larger than {_MOST_NUMBER} for a width or count")
        if multiplying and args and isinstance(args[0], str):
            self._bound_product(len(args[0]), others)

    def _bound_product(self, times: int, texts: tuple[Any, ...]) -> None:
        longest = max((len(text) for text in texts if isinstance(text, str)), default=0)
        if times * longest > 10 * self.limits.body_bytes:
            raise OverBudget("multiplies long texts")

    def _times(self, left: Any, right: Any) -> Any:
        for text, count in ((left, right), (right, left)):
            if isinstance(text, (str, list, tuple)) and isinstance(count, int) and len(text) * count > _MOST_NUMBER:
                raise OverBudget(f"repeats something to more than {_MOST_NUMBER} pieces")
        self._bound_bits(left, right)
        return operator.mul(left, right)

    def _power(self, left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int) and left.bit_length() * abs(right) > _MOST_BITS:
            raise OverBudget("makes a number that is too large")
        return operator.pow(left, right)

    def _plus(self, left: Any, right: Any) -> Any:
        self._bound_bits(left, right)
        return self.cap(operator.add(self.cap(left), self.cap(right)))

    def _modulo(self, left: Any, right: Any) -> Any:
        if isinstance(left, (str, bytes)):
            raise SecurityError("`%` formats no texts here")
        return operator.mod(left, right)

    @staticmethod
    def _bound_bits(*numbers: Any) -> None:
        if sum(number.bit_length() for number in numbers if isinstance(number, int)) > 2 * _MOST_BITS:
            raise OverBudget("makes a number that is too large")


class Meters(NodeTransformer):
    """Puts the checks of a `Sandbox` into a template: a tick into each loop and macro, a cap around each text that is kept."""

    def visit_For(self, node: nodes.For) -> nodes.For:  # noqa: N802 # jinja2's name
        """A turn of the loop costs a step, also one that its condition leaves out."""
        self.generic_visit(node)
        node.body.insert(0, nodes.ExprStmt(_call("tick", nodes.ContextReference()), lineno=node.lineno))
        if node.test is not None:
            node.test = nodes.And(_call("tick", nodes.ContextReference()), node.test, lineno=node.lineno)
        return node

    def visit_AssignBlock(self, node: nodes.AssignBlock) -> nodes.AssignBlock:  # noqa: N802 # jinja2's name
        """`{% set x %}…{% endset %}` keeps a text."""
        self.generic_visit(node)
        node.filter = nodes.Filter(node.filter, "capped", [], [], None, None, lineno=node.lineno)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Expr:  # noqa: N802 # jinja2's name
        """`~` grows by doubling."""
        self.generic_visit(node)
        node.nodes = [_call("capped", each) for each in node.nodes]
        return _call("capped", node)


def _call(attribute: str, argument: nodes.Expr) -> nodes.Call:
    return nodes.Call(nodes.EnvironmentAttribute(attribute), [argument], [], None, None)
