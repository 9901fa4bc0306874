"""What must import without what: no Qt outside the window, no torch in it, arrays on a bare machine."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import breastview
import model_training

ROOT = Path(breastview.__file__).resolve().parent.parent
WINDOW = ("breastview.ui", "breastview.app", "breastview.__main__")
QT = ("PySide6", "shiboken6", "pyqtgraph")
TORCH = ("torch", "torchvision")
BARE = ("pydicom", "SimpleITK", "msgspec", "typer", "highdicom", "gdcm", "reportlab", *QT)
ARRAYS = (
    "breastview.imaging.case",
    "breastview.imaging.geometry",
    "breastview.imaging.volume",
    "breastview.registration.landmarks",
    "breastview.registration.plane",
    "breastview.registration.resample",
    "breastview.registration.transform",
    "breastview.fusion.network",
    "breastview.fusion.preprocess",
    "breastview.phantom.crops",
    "breastview.phantom.patient",
)

SCRIPT = """
import importlib, importlib.abc, sys
blocked, names = sys.argv[1].split(","), sys.argv[2].split(",")
class Wall(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in blocked:
            raise ImportError(f"{fullname} is blocked")
sys.meta_path.insert(0, Wall())
for name in names:
    importlib.import_module(name)
"""


def modules(package, without=()) -> list[str]:
    """Every module of the package but those that must not be imported just so."""
    found = pkgutil.walk_packages(package.__path__, package.__name__ + ".", onerror=lambda name: None)
    return [
        info.name
        for info in found
        if not info.name.startswith(without) and not info.name.endswith("__main__")
    ]


def imports_without(blocked, names) -> str:
    """Import `names` in a fresh Python that refuses `blocked`; return what went wrong."""
    command = [sys.executable, "-c", SCRIPT, ",".join(blocked), ",".join(names)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    return run.stderr


def test_all_but_the_window_imports_without_qt():
    names = modules(breastview, WINDOW) + modules(model_training)
    assert len(names) > 20
    assert imports_without(QT, names) == ""


def test_the_window_imports_without_torch():
    if os.environ.get("BREASTVIEW_WITHOUT_QT"):
        names = ["breastview.pipeline", "breastview.cli"]
    else:
        names = ["breastview.app", "breastview.cli", *modules(breastview.ui)]
    assert imports_without(TORCH, names) == ""


def test_the_array_level_imports_on_a_bare_machine():
    assert imports_without(BARE, ARRAYS) == ""


def test_the_wall_itself_stands():
    assert "torch is blocked" in imports_without(("torch",), ["torch"])
