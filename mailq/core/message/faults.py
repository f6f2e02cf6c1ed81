"""What can be wrong with a content: for everybody (found before anything is sent), or for one recipient."""

from mailq.errors import BadInput


class TemplateFault(BadInput):
    """The content itself is at fault, whoever the recipient.

    Attributes:
        part: `subject`, `sender`, `text`, `html`, `header List-Id`, …
        line: where in that part, counted from 1, if it is known.
    """

    def __init__(self, part: str, reason: str, *, line: int | None = None) -> None:
        super().__init__(f"{part}, line {line}: {reason}" if line else f"{part}: {reason}", field=part)
        self.part = part
        self.reason = reason
        self.line = line


class RenderFault(BadInput):
    """The content cannot be made for this recipient; the others are untouched. It says no value of any recipient.

    Attributes:
        part: as in `TemplateFault`; `to` for the recipient's address.
        variable: the name that is missing, if that is what is wrong.
    """

    def __init__(self, part: str, reason: str, *, line: int | None = None, variable: str | None = None) -> None:
        super().__init__(f"{part}, line {line}: {reason}" if line else f"{part}: {reason}", field=part)
        self.part = part
        self.reason = reason
        self.line = line
        self.variable = variable
