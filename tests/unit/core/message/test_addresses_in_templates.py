"""Every recipient has an address, and a template may call it what the file did."""

import pytest

from mailq.core.message import Content, compile_content, variables_needed


def body(text, variables):
    renderer = compile_content(Content("Hi", "shop@example.org", text=text), clock=lambda: 0.0)
    made = renderer.render("ann@example.org", variables, message_id="<1@example.org>", date="now")
    return made.partition(b"\r\n\r\n")[2].decode().strip()


@pytest.mark.parametrize("name", ["address", "email"])
def test_the_address_goes_by_both_its_names(name):
    assert body(f"to {{{{ {name} }}}}", {}) == "to ann@example.org"
    assert variables_needed(Content("Hi", "shop@example.org", text=f"{{{{ {name} }}}}")) == frozenset()


def test_a_column_called_email_beside_the_address_is_what_it_says():
    assert body("{{ address }} {{ email }}", {"email": "work"}) == "ann@example.org work"
