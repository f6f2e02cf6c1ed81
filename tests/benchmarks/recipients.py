"""Recipients and contents for benchmarks: always the same, made as they are written."""

import csv
import random
from pathlib import Path

from mailq.clock import Clock, utc_now
from mailq.core.message import Content, Renderer, compile_content, date_header

CITIES = ("Köln", "Łódź", "Αθήνα", "Porto", "Berlin", "Lyon", "Graz", "Malmö")
_PARAGRAPH = "Spring is here, and so is our sale: everything for your balcony in {{ city }} at half the price until Sunday. "
_NEWS = "Tomatoes like it warm, radishes do not mind the cold, and a hedge that is cut in June gives the birds their peace. "

_FIRST = {"first_name": "Name1234567", "city": "Köln", "coupon": "SPRING-1234567"}


def _content(paragraphs: str, greeting: str = "Dear {{ first_name }},") -> Content:
    marked = greeting.replace("{{ first_name }}", "<b>{{ first_name }}</b>")
    return Content(
        subject="{{ first_name }}, spring is here",
        sender="The Garden Shop <news@shop.example>",
        text=f"{greeting}\n\n{paragraphs}\n\nYour code: {{{{ coupon }}}}\n",
        html=f"<html><body><p>{marked}</p><p>{paragraphs}</p><p>Your code: {{{{ coupon }}}}</p></body></html>",
    )


CONTENT = _content(_PARAGRAPH * 3)
"""About 1 KB of text and HTML, of plain expressions."""

CONTENTS = {
    "plain": CONTENT,
    "large": _content((_PARAGRAPH * 2 + _NEWS * 4 + "\n") * 7 + _NEWS),
    "control flow": _content(
        _PARAGRAPH * 2 + "{% if city == 'Porto' %}Free delivery in {{ city }}! {% else %}Delivered to {{ city }}. {% endif %}"
        "{% for day in ['Friday', 'Saturday', 'Sunday'] %}{{ day }}: open until 20:00. {% endfor %}",
        "{% if first_name %}Dear {{ first_name }},{% else %}Good morning,{% endif %}",
    ),
}
"""By name: 1 KB spliced, 11 KB spliced, and 1 KB whose templates have to be executed for every recipient."""


def write(path: Path, number: int, *, flawed: bool = False) -> None:
    """A CSV of so many recipients.

    Args:
        flawed: one of 100 repeats an address, one of 200 has none that can be mailed; else all are different and well formed.
    """
    dice = random.Random(1)
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["email", "first_name", "city", "coupon"])
        for place in range(number):
            rows.writerow(
                [flawed_address(place) if flawed else address(place), f"Name{place}", dice.choice(CITIES), f"SPRING-{place:07d}"]
            )


def flawed_address(place: int) -> str:
    """The address of a recipient, of whom one of 200 has none that can be mailed, and one of 100 has another's."""
    if place % 200 == 50:
        return f"user{place}.example{place % 97}.example"
    return address(place - 75 if place % 100 == 99 else place)


def address(place: int) -> str:
    """The address of a recipient."""
    return f"user{place}@example{place % 97}.example"


def message(name: str = "plain") -> bytes:
    """One of the messages of a content."""
    return render(compiled(name), _FIRST)


def compiled(name: str) -> Renderer:
    """What makes the messages of a content."""
    return compile_content(CONTENTS[name], clock=Clock().monotonic)


def render(renderer: Renderer, variables: dict[str, str], *, date: str | None = None) -> bytes:
    """A message for somebody."""
    stamp = date or date_header(utc_now())
    return renderer.render("user1@example1.example", variables, message_id="<0123456789abcdef@shop.example>", date=stamp)
