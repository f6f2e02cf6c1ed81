"""What can be said about a content before anything is sent."""

import pytest

from mailq.core.message import Content, Limits, TemplateFault, variables_needed, variables_used
from mailq.core.message.templates import compile_template


def content(**parts) -> Content:
    return Content(**{"subject": "Sale", "sender": "news@shop.example", "text": "Hello"} | parts)


@pytest.mark.parametrize(
    ("source", "line", "reason"),
    [
        ("a\n\n{% if %}", 3, "Expected an expression"),
        ("a\n{{ name", 2, "unexpected end of template"),
        ("{% for x in y %}", 1, "Unexpected end of template"),
        ("a\nb\n{{ x | nosuch }}", 3, "No filter named 'nosuch'"),
        ("{% if x is nosuch %}{% endif %}", 1, "No test named 'nosuch'"),
        ("\n{% include 'passwords' %}", 2, "cannot load another"),
        ("{% import 'x' as y %}", 1, "cannot load another"),
        ("{% extends 'x' %}", 1, "cannot load another"),
        ("{{ " + "(" * 500 + "1" + ")" * 500 + " }}", None, "nested too deeply"),
        ("{% for x in y %}" * 30 + "{% endfor %}" * 30, None, "nested too deeply"),
        ("{{ " + "1 + " * 2_000 + "1 }}", None, "nested too deeply"),
        ("{% block a %}{% endblock %}{% block a %}{% endblock %}", 1, "defined twice"),
        ("x" * 1001, None, "longer than 1000"),
    ],
)
def test_a_template_at_fault_names_its_part_and_line(source, line, reason):
    with pytest.raises(TemplateFault, match=reason) as fault:
        compile_template("html", source, Limits(template_chars=1000 if source.startswith("xx") else 500_000))
    assert (fault.value.part, fault.value.line) == ("html", line)


@pytest.mark.parametrize("source", ["{% if %}", "{{ x | nosuch }}", "{{ " + "1 + " * 2_000 + "1 }}"])
def test_asking_for_the_variables_of_a_template_at_fault_names_its_part_too(source):
    for ask in (variables_used, variables_needed):
        with pytest.raises(TemplateFault) as fault:
            ask(content(html=source))
        assert fault.value.part == "html"


def test_every_part_is_searched_for_variables():
    made = content(
        subject="{{ a }}", sender="{{ b }} <x@shop.example>", reply_to="{{ c }}", to_name="{{ d }}", text="{{ e.x }}", html="{{ f }}",
        headers={"X-G": "{{ g }}"},
    )  # fmt: skip
    assert variables_used(made) == set("abcdefg")


def test_what_the_template_brings_itself_is_no_column():
    source = "{% for i in range(3) %}{{ i }}{{ loop.index }}{% endfor %}{% set x = dict(a=1) %}{{ x.a }}{{ address }}{{ name }}"
    assert variables_used(content(text=source)) == {"name"}


def test_a_guarded_variable_is_used_but_not_needed():
    source = "{{ a | default('x') }}{% if b is defined %}{{ b }}{% endif %}{{ c }}{{ d | d('') | upper }}"
    assert variables_used(content(text=source)) == {"a", "b", "c", "d"}
    assert variables_needed(content(text=source)) == {"c"}
    assert variables_needed(content(text=source, subject="{{ a }}")) == {"a", "c"}


def test_the_blanks_around_a_headers_template_do_not_count_but_those_of_a_body_do():
    assert compile_template("subject", " Sale \n", Limits()).constant == "Sale"
    assert compile_template("text", " Sale \n", Limits()).constant == " Sale \n"
    assert compile_template("text", "Sale {{ x }}", Limits()).constant is None
