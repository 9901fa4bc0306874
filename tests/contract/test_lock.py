"""What the program builds on: all of it locked and hashed, told of, and nothing in it that must stay out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
KEPT_OUT = {"pylibjpeg-libjpeg", "opencv-python", "opencv-contrib-python", "pyside6-addons", "pyqt5", "pyqt6"}


@pytest.mark.parametrize("name", ["requirements.lock", "installer/uv.txt"])
def test_every_locked_package_is_hashed_and_no_index_is_named(name):
    text = (ROOT / name).read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in entry and "--hash=sha256:" in entry for entry in entries)
    assert "://" not in text and "index" not in re.sub(r"^\S+", "", text)


def test_what_must_stay_out_is_out():
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    names = set(re.findall(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE))
    assert "torch" in names
    assert names & KEPT_OUT == set()


def wanted() -> set[str]:
    """What the project file asks for, by name."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    return set(re.findall(r'^    "([A-Za-z0-9._-]+)>=', project, re.MULTILINE))


def test_every_dependency_is_locked():
    locked = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    assert wanted()
    assert {name.lower() for name in wanted()} - locked == set()


def test_every_dependency_is_told_of_with_its_licence():
    told = set(re.findall(r"[A-Za-z0-9_-]+", (ROOT / "THIRD_PARTY.md").read_text(encoding="utf-8")))
    assert wanted() - told == set()
