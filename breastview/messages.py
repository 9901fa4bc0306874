"""Messages to people: a code with parameters, turned into a language only where they are shown.

Every code stands once in `TEXTS`, with its English text. `breastview.language` translates that text.
A parameter is a number, a plain word (a file's place in the case folder, a modality, a unit) or another
message; it is never a patient's name, identifier or date.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

Param: TypeAlias = "str | int | float | Message"


@dataclass(frozen=True)
class Message:
    """One thing to say: `code` is a key of `TEXTS`, `params` fills its braces."""

    code: str
    params: dict[str, Param] = field(default_factory=dict)


def message(code: str, **params: Param) -> Message:
    """Make a message; raises `KeyError` at once when the code has no text."""
    if code not in TEXTS:
        raise KeyError(code)
    return Message(code, params)


def render(msg: Message, translate: Callable[[str], str] = str) -> str:
    """Return the sentence for `msg`; `translate` maps the English template to another language's."""
    words = {
        name: render(value, translate) if isinstance(value, Message) else value
        for name, value in msg.params.items()
    }
    return translate(TEXTS[msg.code]).format(**words)


# One line a code, grouped by the package that says it. Texts name what failed, which file, and what to do next.
TEXTS: dict[str, str] = {
    # imaging: scan and load
    # registration
    # records
    # fusion
    # report
    # review
    # jobs
    # phantom
    # window
}
