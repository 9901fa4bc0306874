"""Every message that the source sends has a text with the same parameters, and every text is sent."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

import breastview
from breastview.errors import CaseError
from breastview.messages import ONE, TEXTS, message, render

SOURCE = Path(breastview.__file__).parent
TRAINING = SOURCE.parent / "model_training"


def trees():
    for path in sorted([*SOURCE.rglob("*.py"), *TRAINING.rglob("*.py")]):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def sent() -> list[tuple[str, str, set[str] | None]]:
    """(place, code, names of the parameters, None where unpacked) of every message sent."""
    found = []
    for path, tree in trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or not node.args or not isinstance(node.args[0], ast.Constant):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in {"message", "of"} and isinstance(node.args[0].value, str):
                names = {keyword.arg for keyword in node.keywords}
                place = f"{path.relative_to(SOURCE.parent)}:{node.lineno}"
                found.append((place, node.args[0].value, None if None in names else names))
    return found


def braces(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name is not None}


def test_every_code_sent_has_a_text_with_the_same_parameters():
    wrong = []
    for place, code, names in sent():
        if code not in TEXTS:
            wrong.append(f"{place}: no text for {code}")
        elif names is not None and names != braces(TEXTS[code]):
            wrong.append(f"{place}: {code} is sent {sorted(names)} and wants {sorted(braces(TEXTS[code]))}")
    assert wrong == []


def test_every_text_is_sent():
    words = {
        node.value
        for path, tree in trees()
        if path.name != "messages.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    prefixes = _prefixes()
    codes = {code.removesuffix(ONE) for code in TEXTS}
    assert sorted(code for code in codes if code not in words and not code.startswith(prefixes)) == []


@pytest.mark.parametrize("code", ["case.other_patient", "case.strangers", "registration.pairs"])
def test_one_thing_is_spoken_of_as_one(code):
    one, two = render(message(code, count=1)), render(message(code, count=2))
    assert one.startswith("1 ") and two.startswith("2 ")
    assert one[2:] != two[2:] and render(message(code, count=0))[2:] == two[2:]


def test_what_is_said_of_one_has_the_braces_of_what_is_said_of_many():
    for code in TEXTS:
        if code.endswith(ONE):
            assert braces(TEXTS[code]) == braces(TEXTS[code.removesuffix(ONE)])


def _prefixes() -> tuple[str, ...]:
    """Fixed beginnings of codes that are put together, as in message(f"role.{role}")."""
    return tuple(
        str(node.values[0].value)
        for path, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        and isinstance(node.values[0], ast.Constant)
        and str(node.values[0].value).endswith((".", "_"))
        and " " not in str(node.values[0].value)
    )


def test_texts_are_sentences_that_can_be_filled():
    for code, text in TEXTS.items():
        assert text == text.strip() and text, code
        assert not re.search(r"!|\bplease\b", text, re.IGNORECASE), code
        assert all(name.isidentifier() for name in braces(text)), code


def test_a_code_without_a_text_is_refused_at_once():
    with pytest.raises(KeyError):
        message("no.such.code")
    with pytest.raises(KeyError):
        CaseError.of("no.such.code")


def test_a_message_inside_a_message_is_translated_with_it():
    inner = next(code for code in TEXTS if not braces(TEXTS[code]))
    outer = next(code for code in TEXTS if len(braces(TEXTS[code])) == 1)
    said = render(message(outer, **dict.fromkeys(braces(TEXTS[outer]), message(inner))), "<{}>".format)
    assert said.startswith("<") and f"<{TEXTS[inner]}>" in said
