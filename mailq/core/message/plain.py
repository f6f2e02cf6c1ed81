"""Plain templates: texts, names of variables and `{% if name %}`, as most letters are. They are looked up instead of executed.

A plain template decides nothing of its own about right and wrong: for values that are not simply printed it steps back, and Jinja2,
which knows what is wrong and where, renders.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes
from markupsafe import escape

from mailq.core.message.values import Values

_MOST_CONDITIONS = 6  # each one doubles the wordings that may have to be kept
_NEVER_PLAIN = "self"  # Jinja2 puts itself in its place


@dataclass(frozen=True, slots=True, eq=False)
class Wording:
    """What a template says to the recipients for whom its conditions come out alike. Each is equal to itself only.

    Attributes:
        texts: as they stand between the values, empty ones included.
        names: the variables it prints, each once.
        order: which of the names stand between the texts: one fewer than there are texts.
        ends_with_a_value: so that it depends on the value if the text ends with a line end.
    """

    texts: tuple[str, ...]
    names: tuple[str, ...]
    order: tuple[int, ...]
    ends_with_a_value: bool

    def filled(self, values: Sequence[str]) -> str:
        """The text with the values of its names in it."""
        pieces = [""] * (2 * len(self.texts) - 1)
        pieces[::2] = self.texts
        pieces[1::2] = map(values.__getitem__, self.order)
        return "".join(pieces)


@dataclass(frozen=True, slots=True)
class Plain:
    """A plain template; its wordings are made when the first recipient needs them.

    Attributes:
        conditions: the names its `{% if %}` ask for, each once.
        escaped: whether its values go into HTML.
    """

    conditions: tuple[str, ...]
    escaped: bool
    _body: list[nodes.Node]
    _wordings: dict[tuple[bool, ...], Wording] = field(default_factory=dict)

    def wording(self, variables: Mapping[str, Any]) -> Wording | None:
        """What it says to a recipient; None if a condition cannot be decided."""
        try:
            truths = tuple([bool(variables[name]) for name in self.conditions]) if self.conditions else ()
        except KeyError:
            return None
        return self._wordings.get(truths) or self._wordings.setdefault(truths, self._worded(truths))

    def text(self, values: Values, limit: int) -> str | None:
        """The rendered text; None if Jinja2 has to have a look, also at a text longer than `limit`."""
        wording = self.wording(values.named)
        texts = None if wording is None else values.texts(wording.names)
        if wording is None or texts is None:
            return None
        text = wording.filled(list(map(escape, texts)) if self.escaped else texts)
        return text if len(text) <= limit else None

    def _worded(self, truths: tuple[bool, ...]) -> Wording:
        texts, printed = [""], []
        for node in _chosen(self._body, dict(zip(self.conditions, truths, strict=True))):
            if isinstance(node, nodes.Name):
                printed.append(node.name)
                texts.append("")
            elif isinstance(node, nodes.TemplateData):
                texts[-1] += node.data
        names = tuple(dict.fromkeys(printed))
        ends_with_a_value = not texts[-1] and bool(printed)
        return Wording(tuple(texts), names, tuple(map(names.index, printed)), ends_with_a_value)


def constant_text(tree: nodes.Template) -> str | None:
    """What the template says, if it says the same to everybody."""
    plain = plain_template(tree, escaped=False)
    wording = None if plain is None or plain.conditions else plain.wording({})
    return None if wording is None or wording.names else wording.texts[0]


def plain_template(tree: nodes.Template, *, escaped: bool) -> Plain | None:
    """The template as a plain one, if it is one."""
    conditions = {node.test.name: None for node in tree.find_all(nodes.If) if isinstance(node.test, nodes.Name)}
    if len(conditions) > _MOST_CONDITIONS or _NEVER_PLAIN in conditions or not _is_plain(tree.body):
        return None
    return Plain(tuple(conditions), escaped, tree.body)


def _is_plain(body: Iterable[nodes.Node]) -> bool:
    return all(map(_is_plain_node, body))


def _is_plain_node(node: nodes.Node) -> bool:
    match node:
        case nodes.Output():
            return _is_plain(node.nodes)
        case nodes.If():
            return isinstance(node.test, nodes.Name) and _is_plain([*node.body, *node.elif_, *node.else_])
        case nodes.Name():
            return node.name != _NEVER_PLAIN
        case _:
            return isinstance(node, nodes.TemplateData)


def _chosen(body: Iterable[nodes.Node], truths: Mapping[str, bool]) -> Iterator[nodes.Node]:
    """The texts and names that are printed when the conditions are like this."""
    for node in body:
        if isinstance(node, nodes.Output):
            yield from node.nodes
        elif isinstance(node, nodes.If):
            branches = ((each.test, each.body) for each in (node, *node.elif_))
            taken = (inner for test, inner in branches if isinstance(test, nodes.Name) and truths[test.name])
            yield from _chosen(next(taken, node.else_), truths)
