"""`img/at-a-glance-*.svg`: the parts of mailq and what goes between them, in a light and a dark version."""

from dataclasses import dataclass
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 1090, 440
_SANS = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"
_MONO = "font-family='ui-monospace,SFMono-Regular,Menlo,Consolas,monospace'"


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours: of the ground, of words and lines, of the truth, of what moves, and of the wire."""

    ground: str
    box: str
    line: str
    word: str
    faint: str
    truth: str
    truth_box: str
    moving: str
    moving_box: str


class Place(NamedTuple):
    """A rectangle."""

    x: int
    y: int
    width: int
    height: int


LIGHT = Palette("#ffffff", "#f6f8fa", "#8c959f", "#1f2328", "#59636e", "#0b6b50", "#e3f5ee", "#8a4600", "#fdf1e3")
DARK = Palette("#0d1117", "#161b22", "#6e7681", "#e6edf3", "#9198a1", "#56d4a8", "#0f2a22", "#f0a35e", "#2b1e10")


def page(palette: Palette) -> str:
    """The picture."""
    p = palette
    head = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='{WIDTH}' height='{HEIGHT}' role='img'>"
    title = "How mailq works: PostgreSQL holds the truth, Redis only rings, worker servers claim batches and talk SMTP"
    ground = f"<rect width='{WIDTH}' height='{HEIGHT}' rx='10' fill='{p.ground}'/>"
    books = "num_profiles = pending + deferred + sent + errors + skipped + in_doubt"
    equation = _text(WIDTH / 2, 412, books, p.truth, font=_MONO)
    return "\n".join([head, f"<title>{title}</title>", _heads(p), ground, *_boxes(p), *_movements(p), equation, "</svg>"]) + "\n"


def _boxes(p: Palette) -> list[str]:
    return [
        _box(p, Place(24, 72, 190, 88), "producer", ["mailqctl mailing submit", "CSV or JSON Lines"]),
        _box(p, Place(24, 264, 190, 88), "watcher", ["mailqctl mailing watch", "SQL · Flower"]),
        _box(
            p,
            Place(310, 36, 230, 160),
            "PostgreSQL: the truth",
            ["mailing · batch · delivery", "", "claims are fenced,", "deliveries begin on record,", "books balance"],
            stroke=p.truth,
            fill=p.truth_box,
        ),
        _box(
            p,
            Place(310, 272, 230, 86),
            "Redis: the doorbell",
            ["“look at batch 42”; may be lost,", "repeated or late"],
            stroke=p.moving,
            fill=p.moving_box,
        ),
        _frame(p, Place(690, 20, 210, 350)),
        _text(795, 44, "worker servers", p.word, weight=600),
        _box(p, Place(706, 68, 178, 84), "worker process", ["one batch at a time,", "SMTP sessions kept warm"]),
        _box(p, Place(706, 170, 178, 64), "worker process", ["…"]),
        _box(p, Place(706, 270, 178, 84), "warden", ["says the server lives;", "rings again what is due"]),
        _box(p, Place(976, 68, 90, 84), "relay", ["takes mail", "or says no"]),
    ]


def _movements(p: Palette) -> list[str]:
    return [
        _arrow(p, "M214 116 H306", p.truth),
        _label(p, 261, 106, "COPY"),
        _arrow(p, "M425 196 V268", p.moving),
        _label(p, 434, 238, "ring, after commit", anchor="start"),
        _arrow(p, "M540 315 H686", p.moving),
        _label(p, 614, 305, "ring"),
        _arrow(p, "M544 110 H702", p.truth, both=True),
        _label(p, 617, 82, "claim;"),
        _label(p, 617, 98, "settle + begin in one"),
        _label(p, 617, 129, "transaction"),
        _arrow(p, "M884 110 H972", p.line),
        _label(p, 936, 100, "SMTP"),
        _arrow(p, "M310 172 H262 V290 H218", p.line, dashed=True),
        _arrow(p, "M310 334 H218", p.line, dashed=True),
        _label(p, 262, 350, "events"),
    ]


def _box(p: Palette, place: Place, title: str, lines: list[str], *, stroke: str = "", fill: str = "") -> str:
    middle = place.x + place.width / 2
    drawn = [
        _rectangle(place, f"fill='{fill or p.box}' stroke='{stroke or p.line}' stroke-width='1.5'"),
        _text(middle, place.y + 26, title, stroke or p.word, weight=600),
        *(_text(middle, place.y + 48 + 19 * n, line, p.faint, size=13) for n, line in enumerate(lines) if line),
    ]
    return "\n".join(drawn)


def _frame(p: Palette, place: Place) -> str:
    return _rectangle(place, f"fill='none' stroke='{p.line}' stroke-width='1.5' stroke-dasharray='6 5'")


def _rectangle(place: Place, style: str) -> str:
    return f"<rect x='{place.x}' y='{place.y}' width='{place.width}' height='{place.height}' rx='8' {style}/>"


def _text(
    x: float, y: float, words: str, colour: str, *, size: int = 15, weight: int = 400, anchor: str = "middle", font: str = _SANS
) -> str:
    place = f"x='{x:g}' y='{y:g}' text-anchor='{anchor}'"
    return f"<text {place} {font} font-size='{size}' font-weight='{weight}' fill='{colour}'>{escape(words)}</text>"


def _label(p: Palette, x: float, y: float, words: str, *, anchor: str = "middle") -> str:
    return _text(x, y, words, p.faint, size=12, anchor=anchor)


def _arrow(p: Palette, path: str, colour: str, *, both: bool = False, dashed: bool = False) -> str:
    names = {p.truth: "truth", p.moving: "moving", p.line: "line"}
    start = f" marker-start='url(#{names[colour]})'" if both else ""
    dash = " stroke-dasharray='4 4'" if dashed else ""
    return f"<path d='{path}' fill='none' stroke='{colour}' stroke-width='2'{dash} marker-end='url(#{names[colour]})'{start}/>"


def _heads(p: Palette) -> str:
    shape = "viewBox='0 0 8 8' refX='6' refY='4' markerWidth='6' markerHeight='6' orient='auto-start-reverse'"
    heads = [
        f"<marker id='{name}' {shape}><path d='M0 0 L8 4 L0 8 z' fill='{colour}'/></marker>"
        for name, colour in (("truth", p.truth), ("moving", p.moving), ("line", p.line))
    ]
    return f"<defs>{''.join(heads)}</defs>"
