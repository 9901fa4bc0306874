"""The suite's own rules, seen on a small suite that breaks them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL_SUITE = """
import warnings
import pytest

def test_plain_skip():
    pytest.skip("not today")

def test_needs_the_exams(real_data):
    pass

def test_warns():
    warnings.warn("something is off")

def test_qt():
    import PySide6

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    raise AssertionError
"""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("suite")
    shutil.copy(ROOT / "tests" / "conftest.py", folder)
    (folder / "test_small.py").write_text(SMALL_SUITE, encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "BREASTVIEW_DATA"}
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "no:pytest-qt", "-p", "no:cacheprovider"]
    run = subprocess.run(
        [*command, "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(folder)],
        env={**environment, "BREASTVIEW_WITHOUT_QT": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return run.stdout


def test_an_unexpected_skip_fails(outcomes):
    assert "FAILED test_small.py::test_plain_skip" in outcomes
    assert "not an expected skip" in outcomes


def test_missing_exams_are_an_expected_skip(outcomes):
    assert "SKIPPED [1]" in outcomes and "BREASTVIEW_DATA is not set" in outcomes


def test_a_warning_fails(outcomes):
    assert "FAILED test_small.py::test_warns - UserWarning: something is off" in outcomes


def test_qt_is_refused_where_it_is_blocked(outcomes):
    assert "PySide6 is blocked in this run" in outcomes


def test_a_known_failure_stays_one(outcomes):
    assert "XFAIL test_small.py::test_known" in outcomes
