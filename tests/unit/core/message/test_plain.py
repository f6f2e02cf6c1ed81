"""A plain template that is looked up says, and refuses, what Jinja2 would have said and refused."""

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailq.core.message import Limits, RenderFault
from mailq.core.message.templates import Template, compile_template, surroundings
from mailq.core.message.values import Values

LIMITS = Limits(body_bytes=200, header_chars=100)
NAMES = ("first", "last", "note", "self", "range", "email")
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]).filter(lambda each: each not in "{}#"), max_size=20)
PIECES = st.one_of(
    ANY_TEXT,
    st.sampled_from([f"{{{{ {name} }}}}" for name in NAMES]),
    st.sampled_from([f"{{% if {name} %}}" for name in NAMES]).flatmap(
        lambda opened: st.tuples(ANY_TEXT, st.sampled_from(NAMES)).map(
            lambda inner: (
                f"{opened}{inner[0]}{{{{ {inner[1]} }}}}{{% elif last %}}{{{{ missing }}}}{{% else %}}{inner[0]}{{% endif %}}"
            )
        )
    ),
)
SOURCES = st.lists(PIECES, max_size=6).map("".join)
VALUES = st.one_of(
    st.text(max_size=120),
    st.sampled_from(["", "<&>", "a\r", "\nb", " "]),
    st.integers(),
    st.just(10**5000),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=2), st.none(), max_size=1),
)


def said(template: Template, variables: dict) -> object:
    """The text, or everything a fault says."""
    try:
        return str(template.render(Values("", variables, surroundings(LIMITS, lambda: 0.0))))
    except RenderFault as fault:
        return fault.part, fault.reason, fault.line, fault.variable


@given(
    source=SOURCES, variables=st.dictionaries(st.sampled_from(NAMES), VALUES), part=st.sampled_from(["text", "html", "subject"])
)
def test_looked_up_or_executed_a_template_says_the_same(source, variables, part):
    template = compile_template(part, source, LIMITS) if len(source) <= LIMITS.header_chars else None
    if template is None:
        return
    executed = dataclasses.replace(template, plain=None)
    assert said(template, variables) == said(executed, variables)


@pytest.mark.parametrize(
    ("source", "variables", "result"),
    [
        ("{{ a }}{{ b }}{{ a }}", {"a": "x", "b": "y"}, "xyx"),
        ("{% if a %}A{% elif b %}B{% else %}C{% endif %}", {"a": "", "b": 1}, "B"),
        ("{% if a %}{% if b %}AB{% endif %}!{% endif %}.", {"a": 1, "b": []}, "!."),
        ("{{ a }} {{ b }}", {"a": True, "b": 1.5}, "True 1.5"),
        ("a{# nothing #}b{% raw %}{{ c }}{% endraw %}", {}, "ab{{ c }}"),
        ("{{ range }}", {"range": "far"}, "far"),
    ],
)
def test_a_plain_template_is_not_executed(source, variables, result, monkeypatch):
    template = compile_template("text", source, LIMITS)
    monkeypatch.setattr(Template, "_collect", None)
    assert said(template, variables) == result


@pytest.mark.parametrize(
    "source",
    [
        "{{ a | upper }}",
        "{{ a.b }}",
        "{{ 'a' }}",
        "{{ self }}",
        "{% if self %}{% endif %}",
        "{% if not a %}{% endif %}",
        "{% if a %}{% elif a == b %}{% endif %}",
        "{% if a %}{% set b = 1 %}{% endif %}{{ b }}",
        "{% for a in b %}{{ a }}{% endfor %}",
        "{% set a = 1 %}{{ a }}",
        "{% macro m() %}{% endmacro %}",
        "{% block b %}{{ a }}{% endblock %}",
        "{% filter upper %}{{ a }}{% endfilter %}",
        "".join(f"{{% if a{number} %}}x{{% endif %}}" for number in range(7)),
    ],
)
def test_whatever_computes_is_left_to_jinja(source):
    assert compile_template("text", source, LIMITS).plain is None


def test_a_condition_that_is_never_asked_may_be_missing():
    template = compile_template("text", "{% if a %}{% if b %}x{% endif %}{% endif %}.", LIMITS)
    assert said(template, {"a": False}) == "."
    assert said(template, {"a": True}) == ("text", "the variable 'b' is missing", 1, "b")
