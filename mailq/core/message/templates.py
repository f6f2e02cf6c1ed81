"""Templates: compiled once per mailing, rendered once per recipient, strict about what is missing."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from types import TracebackType

import jinja2
from jinja2 import meta, nodes

from mailq.core.message.content import Content
from mailq.core.message.faults import RenderFault, TemplateFault
from mailq.core.message.plain import Plain, constant_text, plain_template
from mailq.core.message.sandbox import Limits, Meter, MeteredContext, Meters, OverBudget, Sandbox
from mailq.core.message.values import Surroundings, Values

PROVIDED = frozenset({"address", "email"})
"""The variables that every recipient has, whatever the columns: both are the address, unless a column is called `email`."""

_PIECES_AT_ONCE = 16
_MISSING = re.compile(r"the variable '(.+)' is missing\Z")
_GUARDS = frozenset({"default", "d", "defined", "undefined"})
_LOADING = (nodes.Extends, nodes.Include, nodes.Import, nodes.FromImport)


@dataclass(frozen=True, slots=True)
class Template:
    """One part's template.

    Attributes:
        constant: its text if it is the same for every recipient.
        plain: how to look it up instead of executing it, if it is as simple as that.
    """

    part: str
    constant: str | None
    plain: Plain | None
    _compiled: jinja2.Template
    _limit: int

    def render(self, values: Values) -> str:
        """Render for one recipient.

        Raises:
            RenderFault: a variable is missing, an expression fails, or it asks for too much time or space.
        """
        if self.constant is not None:
            return self.constant
        if self.plain is not None and (text := self.plain.text(values, self._limit)) is not None:
            return text
        context = self._compiled.new_context(values.context(), shared=True)
        assert isinstance(context, MeteredContext)
        context.meter = values.meter
        try:
            return self._collect(context, values.meter)
        except Exception as error:  # noqa: BLE001 # a template can raise anything Python can
            raise _fault(self.part, error, self._compiled) from None

    def _collect(self, context: MeteredContext, meter: Meter) -> str:
        made = self._compiled.root_render_func(context)
        pieces: list[str] = []
        room = self._limit
        while some := list(islice(made, _PIECES_AT_ONCE)):
            room -= sum(map(len, some))
            if room < 0:
                raise OverBudget(f"is longer than {self._limit} characters")
            pieces += some
            meter.look()
        return "".join(pieces)


def compile_template(part: str, source: str, limits: Limits) -> Template:
    """Compile one part. The blanks around a header's template are its author's layout and do not count.

    Raises:
        TemplateFault: it is no template, is too long, or loads another one.
    """
    body = part in {"text", "html"}
    environment = _sandbox(limits, html=part == "html")
    tree = _parse(part, source if body else source.strip(), environment)
    constant = constant_text(tree)
    plain = plain_template(tree, escaped=part == "html")
    limit = limits.body_bytes if body else limits.header_chars
    if constant is not None and len(constant) > limit:
        raise TemplateFault(part, f"is longer than {limit} characters")
    compiled = _compile(part, tree, environment)
    return Template(part, constant, plain, compiled, limit)


def surroundings(limits: Limits, clock: Callable[[], float]) -> Surroundings:
    """What templates are rendered with: the functions that they may call, and a clock that keeps them to their limits."""
    return Surroundings(_sandbox(limits, html=False).globals, limits, clock)


def variables_used(content: Content, limits: Limits | None = None) -> frozenset[str]:
    """Every variable that some part of the content names, without those that every recipient has.

    Raises:
        TemplateFault: a part is no template.
    """
    environment = _sandbox(limits or Limits(), html=False)
    return frozenset().union(*(_undeclared(part, source, environment)[1] for part, source in content.parts()))


def variables_needed(content: Content, limits: Limits | None = None) -> frozenset[str]:
    """The variables without which a recipient will fail: those that some part uses and nowhere
    guards by `default` or `is defined`.

    Raises:
        TemplateFault: a part is no template.
    """
    environment = _sandbox(limits or Limits(), html=False)
    named = (_undeclared(part, source, environment) for part, source in content.parts())
    return frozenset().union(*(names - _guarded(tree) for tree, names in named))


def _guarded(tree: nodes.Template) -> set[str]:
    asking = (node.node for node in tree.find_all((nodes.Filter, nodes.Test)) if node.name in _GUARDS)
    return {node.name for node in asking if isinstance(node, nodes.Name)}


@lru_cache(maxsize=8)
def _sandbox(limits: Limits, *, html: bool) -> Sandbox:
    return Sandbox(limits, html=html)


def _parse(part: str, source: str, environment: Sandbox) -> nodes.Template:
    if len(source) > environment.limits.template_chars:
        raise TemplateFault(part, f"the template is longer than {environment.limits.template_chars} characters")
    with _in_the_name_of(part):
        tree = environment.parse(source)
        _require_few(part, tree, environment.limits.template_nodes)
        _refuse_what_cannot_work(part, tree, environment)
        return tree


def _require_few(part: str, tree: nodes.Template, most: int) -> None:
    if next(islice(tree.find_all(nodes.Node), most, None), None) is not None:
        raise TemplateFault(part, f"the template consists of more than {most} tags, names and values")


@contextmanager
def _in_the_name_of(part: str) -> Iterator[None]:
    """Whatever Jinja2 and Python's own compiler say about a template, as a fault of its part."""
    try:
        yield
    except jinja2.TemplateSyntaxError as error:
        raise TemplateFault(part, _sentence(error), line=error.lineno) from None
    except (SyntaxError, RecursionError, MemoryError):
        raise TemplateFault(part, "is nested too deeply") from None


def _undeclared(part: str, source: str, environment: Sandbox) -> tuple[nodes.Template, set[str]]:
    with _in_the_name_of(part):
        tree = _parse(part, source, environment)
        return tree, meta.find_undeclared_variables(tree) - PROVIDED - environment.globals.keys()


def _refuse_what_cannot_work(part: str, tree: nodes.Template, environment: Sandbox) -> None:
    """What Jinja2 would only find when it comes to it, which may be at one recipient in a thousand."""
    for node in tree.find_all((*_LOADING, nodes.Filter, nodes.Test)):
        if isinstance(node, _LOADING):
            raise TemplateFault(part, "a template cannot load another one", line=node.lineno)
        if isinstance(node, nodes.Filter) and node.name not in environment.filters:
            raise TemplateFault(part, f"No filter named {node.name!r}", line=node.lineno)
        if isinstance(node, nodes.Test) and node.name not in environment.tests:
            raise TemplateFault(part, f"No test named {node.name!r}", line=node.lineno)


def _compile(part: str, tree: nodes.Template, environment: Sandbox) -> jinja2.Template:
    with _in_the_name_of(part):
        metered = Meters().visit(tree)
        metered.set_environment(environment)
        code = environment.compile(metered, filename="<template>")
        return environment.template_class.from_code(environment, code, environment.globals)


def _sentence(error: jinja2.TemplateError) -> str:
    return (error.message or "is no template").rstrip(".")


def _variable(error: jinja2.UndefinedError) -> str | None:
    found = _MISSING.match(error.message or "")
    return found[1] if found else None


def _fault(part: str, error: Exception, template: jinja2.Template) -> RenderFault:
    variable = _variable(error) if isinstance(error, jinja2.UndefinedError) else None
    return RenderFault(part, _reason(error), line=_line(error.__traceback__, template), variable=variable)


def _reason(error: Exception) -> str:
    """What went wrong, in words that contain no value of the recipient."""
    match error:
        case jinja2.TemplateError():
            return _sentence(error)
        case OverBudget():
            return str(error)
        case TypeError():
            return f"a value is of the wrong type ({error})"
        case RecursionError():
            return "is nested too deeply"
        case _:
            return f"an expression fails ({type(error).__name__})"


def _line(traceback: TracebackType | None, template: jinja2.Template) -> int | None:
    """Where in the template it happened: the innermost frame of the code that Jinja2 made of it."""
    line = None
    while traceback is not None:
        if traceback.tb_frame.f_globals.get("__jinja_template__") is template:
            line = template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return line
