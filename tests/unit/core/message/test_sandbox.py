"""Templates that try to get out, to grow or to run for ever fail, with a sentence and within their time."""

import json
import time
from datetime import timedelta
from itertools import count

import pytest

from mailq.core.message import Limits, RenderFault, TemplateFault
from mailq.core.message.sandbox import OverBudget, weigh
from mailq.core.message.templates import compile_template, surroundings
from mailq.core.message.values import Values

LIMITS = Limits(body_bytes=20_000)


def rendered(source: str, *, part: str = "text", clock=lambda: 0.0, limits: Limits = LIMITS, **variables) -> str:
    template = compile_template(part, source, limits)
    return template.render(Values("", variables, surroundings(limits, clock)))


def doubling(step: str) -> str:
    return "{% set n = namespace(s='xy') %}{% for i in range(60) %}" + step + "{% endfor %}"


@pytest.mark.parametrize(
    "source",
    [
        "{{ 'a' * 2000000000 }}",
        "{{ 2000000000 * 'a' }}",
        "{{ [1] * 2000000000 }}",
        "{{ 9 ** 9999999 }}",
        "{% for i in range(10001) %}{% endfor %}",
        doubling("{% set n.s = n.s ~ n.s %}"),
        doubling("{% set n.s = n.s + n.s %}"),
        doubling("{% set n.s %}{{ n.s }}{{ n.s }}{% endset %}"),
        doubling("{% set n.s = n.s.replace('x', n.s) %}"),
        doubling("{% set n.s = n.s | replace('x', n.s) %}"),
        doubling("{% set n.s = [n.s, n.s] | join %}"),
        doubling("{% set n.s = n.s | list | join(n.s) %}"),
        doubling("{% set n.s = (n.s, n.s) %}") + "{{ n.s | string }}",
        doubling("{% set n.s = [n.s, n.s] %}") + "{{ n.s | tojson }}",
        doubling("{% set n.s = {'a': n.s, 'b': n.s} %}") + "{{ n.s ~ '' }}",
        "{% macro f(s) %}{{ s }}{{ s }}{% endmacro %}" + doubling("{% set n.s = f(n.s) %}"),
        doubling("{% set n.s = n.s | list + n.s | list %}{% set n.s = n.s | join %}"),
        "{% set n = namespace(i=3) %}{% for i in range(60) %}{% set n.i = n.i * n.i %}{% endfor %}",
        "{{ 'x' | center(999999999) }}",
        "{{ 'x' | indent(999999999, true) }}",
        "{{ 1.5 | round(999999999) }}",
        "{{ [1] | batch(999999999, 'x') | list }}",
        "{{ [1] | slice(999999999) | list }}",
        "{{ ('x' * 9000) | wordwrap(1, wrapstring='y' * 9000) }}",
        "{{ {} | tojson(indent=999999999) }}",
        "{% for i in range(9999) %}{{ i }} and more{% endfor %}",
    ],
)
def test_a_template_cannot_grow_beyond_its_limits(source):
    with pytest.raises(RenderFault) as failed:
        rendered(source)
    assert any(word in failed.value.reason for word in ("larger", "longer", "too large", "more than", "long texts"))


@pytest.mark.parametrize(
    "source",
    [
        "{% for i in range(9999) %}{% for j in range(9999) %}{% for k in range(9999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for i in range(9999) if false %}{% endfor %}",
        "{% macro f(n) %}{% if n %}{{ f(n - 1) }}{{ f(n - 1) }}{% endif %}{% endmacro %}{{ f(60) }}",
        "{% for i in [[[]]] recursive %}{{ loop(range(9999)) if loop.depth0 == 0 else '' }}{% endfor %}" * 20,
        "{% for i in range(9999) %}{% set x = 'a'.upper() %}{% endfor %}",
    ],
)
def test_a_template_that_runs_too_long_is_stopped_by_the_clock_it_was_given(source):
    """Every look at this clock moves it on by a second: the thirtieth look is past the deadline, whatever the machine."""
    ticks = count()
    with pytest.raises(RenderFault, match="takes too long"):
        rendered(source, clock=lambda: float(next(ticks)), limits=Limits(time=timedelta(seconds=30)))


def test_an_ordinary_letter_never_comes_near_the_clock():
    source = "{% for item in items %}{{ item.name | upper }}: {{ '%s' ~ item.price }}\n{% endfor %}"
    items = [{"name": "Tulip", "price": 3}] * 100
    assert rendered(source, items=items, clock=time.monotonic).count("TULIP") == 100


@pytest.mark.parametrize(
    "source",
    [
        "{{ ''.__class__ }}",
        "{{ ''['__class__'].__mro__ }}",
        "{{ x.append(1) }}",
        "{{ y.update(a=1) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ (x | attr('__class__')).__mro__ }}",
        "{{ range.__self__ }}",
        "{{ self.__init__ }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'.center(9) }}",
        "{{ ('x' | safe).join(['a']) }}",
        "{{ 'x'.encode() }}",
        "{{ lipsum() }}",
        "{{ self }}",
        "{{ x.pop }}",
    ],
)
def test_a_template_reaches_neither_pythons_insides_nor_the_values_themselves(source):
    values = {"x": [1], "y": {}}
    with pytest.raises(RenderFault):
        rendered(source, **values)
    assert values == {"x": [1], "y": {}}


@pytest.mark.parametrize(
    ("source", "result"),
    [
        ("{{ name | default('friend') }}", "friend"),
        ("{{ name | default('friend', true) }}", "friend"),
        ("{% if name is defined %}{{ name }}{% else %}you{% endif %}", "you"),
        ("{{ price * 2 + 1 }} {{ price ** 2 }} {{ price % 3 }} {{ -price }}", "21 100 1 -10"),
        ("{{ items | join(', ') }} {{ items | length }} {{ items | map('upper') | join }}", "a, b 2 AB"),
        ("{{ 'x'.replace('x', 'y') }} {{ 'a-b'.split('-')[1] }} {{ 'a' ~ 1 }} {{ 'a' + 'b' }}", "y b a1 ab"),
        ("{{ 3.14159 | round(2) }} {{ 'abc' | truncate(2, true, '', 0) }} {{ 'x' | center(3) }}|", "3.14 ab  x |"),
        ("{% for i in items %}{{ loop.index }}/{{ loop.length }}{{ ', ' if not loop.last }}{% endfor %}", "1/2, 2/2"),
        ("{% for i in items if i != 'a' %}{{ i }}{% else %}none{% endfor %}", "b"),
        ("{% set t %}<{{ price }}>{% endset %}{{ t }}{% filter upper %}x{% endfilter %}", "<10>X"),
        (
            "{% macro m(a, n=1) %}[{{ a }}{{ caller() if n > 1 }}]{% endmacro %}{{ m(1) }}{% call m(2, 2) %}!{% endcall %}",
            "[1][2!]",
        ),
        ("{{ ('a' | safe) ~ '<' }}{{ true }}{{ cycler('a', 'b').next() }}{{ dict(a=1).a }}", "a<Truea1"),
        ("line\n", "line\n"),
        ("{{ 'a' if price > 3 else 'b' }}{{ nested.a[0].b }}", "ac"),
    ],
)
def test_what_letters_need_still_works(source, result):
    values = {"price": 10, "items": ["a", "b"], "nested": {"a": [{"b": "c"}]}}
    assert rendered(source, **values) == result


def test_only_html_is_escaped():
    assert rendered("{{ v }}{{ v | safe }}", part="html", v="<&>") == "&lt;&amp;&gt;<&>"
    assert rendered("{{ v }}", part="text", v="<&>") == "<&>"
    assert rendered("{{ v }}", part="subject", v="<&>") == "<&>"


@pytest.mark.parametrize(
    ("source", "reason", "line", "variable"),
    [
        ("\n\nDear {{ name }}", "the variable 'name' is missing", 3, "name"),
        ("{{ nested.b }}", "there is no 'b' in the value it is asked of", 1, None),
        ("{% if name %}{% endif %}", "the variable 'name' is missing", 1, "name"),
        ("{{ name + 1 }}", "the variable 'name' is missing", 1, "name"),
        ("{{ name() }}", "the variable 'name' is missing", 1, "name"),
        ("{{ nothing }}", "is null", 1, None),
        ("{{ items }}", "a list cannot be printed", 1, None),
        ("a\n{{ 'a' + 1 }}", "wrong type", 2, None),
        ("{{ 1 / 0 }}", "ZeroDivisionError", 1, None),
        ("{{ price | map('upper') | list }}", "wrong type", 1, None),
        ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested too deeply", 1, None),
    ],
)
def test_a_fault_says_what_and_where_and_nothing_of_the_recipient(source, reason, line, variable):
    with pytest.raises(RenderFault) as failed:
        rendered(source, items=["secret@example.com"], nested={"a": "secret@example.com"}, nothing=None, price=3)
    assert reason in failed.value.reason
    assert (failed.value.line, failed.value.variable) == (line, variable)
    assert "secret" not in str(failed.value)
    assert "Traceback" not in str(failed.value)


def test_two_renderings_never_differ():
    for source in ("{{ [1, 2] | random }}", "{{ 1 | pprint }}"):
        with pytest.raises(Exception, match="No filter named"):
            rendered(source)


def test_weighing_stops_as_soon_as_the_limit_is_passed():
    """A value whose parts are shared is counted as often as it would be printed, so the count must not be finished."""
    value = "x"
    for _ in range(100):
        value = [value, value]
    with pytest.raises(OverBudget):
        weigh(value, 10_000)
    assert weigh(json.loads('{"a": ["bc", 1]}'), 10_000) < 20


@pytest.mark.parametrize(
    "source",
    [
        "{{ 1 }}" * 20_001,
        "{% set a = [" + "1," * 20_000 + "] %}",
        "".join(f"{{% macro m{number}() %}}x{{% endmacro %}}" for number in range(7000)),
    ],
    ids=["prints", "list", "macros"],
)
def test_a_template_of_very_many_parts_is_not_compiled(source):
    with pytest.raises(TemplateFault, match="consists of more than 20000"):
        compile_template("text", source, LIMITS)


def test_a_long_word_is_not_wrapped():
    assert rendered("{{ word | wordwrap(4) }}", word="x" * 8) == "xxxx\nxxxx"
    with pytest.raises(RenderFault, match="wraps a text longer than"):
        rendered("{{ word | wordwrap(1) | length }}", limits=Limits(), word="x" * 50_001)
