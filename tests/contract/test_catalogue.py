"""The check that keeps the translations whole, and the language that uses them."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

import breastview
from breastview.language import CATALOGUES, LANGUAGES, Language
from breastview.messages import TEXTS

spec = importlib.util.spec_from_file_location("catalogue", CATALOGUES / "catalogue.py")
catalogue = importlib.util.module_from_spec(spec)
spec.loader.exec_module(catalogue)


def chinese(**entries: str) -> Catalog:
    made = Catalog(locale="zh_CN")
    for english, translated in entries.items():
        made.add(english, translated)
    return made


def test_a_whole_catalogue_has_no_faults():
    assert catalogue.faults(chinese(Open="打开"), ["Open"]) == []


def test_a_missing_translation_is_a_fault():
    assert catalogue.faults(chinese(Open=""), ["Open", "Save"]) == [
        "not translated: 'Open'",
        "not translated: 'Save'",
    ]


def test_braces_must_be_the_same_in_any_order():
    english = "{count} of {total:.1f}"
    assert catalogue.faults(chinese(**{english: "共 {total:.1f},第 {count}"}), [english]) == []
    assert catalogue.faults(chinese(**{english: "共 {total},第 {count}"}), [english]) == [
        f"other braces: {english!r}"
    ]


def test_a_left_over_translation_is_a_fault():
    assert catalogue.faults(chinese(Open="打开"), []) == ["left over: 'Open'"]


def test_literals_are_found_where_they_are_looked_up():
    source = """window.setTitle(language.text("Open a " "folder"))
self._language.text("Undo")
self._text("Print")
_text("Save")
text("Close")
other("not this")
header.text("PatientName")
field.text()
language.text(name)
"""
    assert sorted(catalogue.literals(source)) == ["Close", "Open a folder", "Print", "Save", "Undo"]


def test_a_literal_that_is_put_together_is_refused():
    with pytest.raises(SyntaxError, match="line 1"):
        list(catalogue.literals('language.text(f"{count} files")'))


def test_renewing_keeps_what_is_known():
    new = catalogue.renewed(chinese(Open="打开", Gone="没了"), ["Open", "Save"])
    assert {entry.id: entry.string for entry in new if entry.id} == {"Open": "打开", "Save": ""}


def test_what_the_catalogue_wants_covers_the_messages():
    assert set(TEXTS.values()) <= set(catalogue.wanted())


@pytest.mark.parametrize("code", LANGUAGES)
def test_every_language_opens_and_falls_back_to_english(code):
    assert Language(code).text("no such text") == "no such text"


def test_an_unknown_language_is_refused():
    with pytest.raises(ValueError, match="xx"):
        Language("xx")


def test_the_catalogues_lie_where_the_program_looks():
    assert Path(breastview.__file__).parent.parent in CATALOGUES.parents
