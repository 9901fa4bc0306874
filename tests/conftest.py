"""What holds for the whole suite: no screen, no user's own files, no skip that hides something."""

from __future__ import annotations

import importlib.abc
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
WITHOUT_QT = bool(os.environ.get("BREASTVIEW_WITHOUT_QT"))
# a busy machine is no fault of the code
hypothesis.settings.register_profile(
    "suite", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("suite")
NO_DATA = "BREASTVIEW_DATA is not set: the real exams are not on this machine"


class QtIsBlocked(importlib.abc.MetaPathFinder):
    """Refuses Qt, so that a run proves what works without it."""

    def find_spec(self, fullname, path, target=None):
        if fullname.partition(".")[0] in {"PySide6", "shiboken6", "pyqtgraph", "pytestqt"}:
            raise ImportError(f"{fullname} is blocked in this run")


if WITHOUT_QT:
    sys.meta_path.insert(0, QtIsBlocked())


def pytest_addoption(parser, pluginmanager):
    """Know pytest-qt's settings where the plug-in itself is left out."""
    if not pluginmanager.hasplugin("pytest-qt"):
        for name, kind in {"qt_api": None, "qt_log_level_fail": None, "qt_log_ignore": "linelist"}.items():
            parser.addini(name, "a setting of pytest-qt", type=kind)


def _fail_unexpected_skip(report):
    reason = str(report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr)
    if report.skipped and not hasattr(report, "wasxfail") and "BREASTVIEW_DATA" not in reason:
        report.outcome, report.longrepr = "failed", f"not an expected skip: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    _fail_unexpected_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    report = yield
    _fail_unexpected_skip(report)
    return report


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real exams; skips the test where there is none."""
    folder = os.environ.get("BREASTVIEW_DATA")
    if not folder:
        pytest.skip(NO_DATA)
    return Path(folder)


@pytest.fixture(autouse=True)
def own_user_folders(tmp_path_factory, monkeypatch):
    """Keep the tests out of the user's own records and settings."""
    home = tmp_path_factory.mktemp("user")
    for name in ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home / name.lower()))


class SimulatedFolder(NamedTuple):
    """A simulated patient on disk: the DICOM folder, and its true review record beside it."""

    folder: Path
    record_file: Path


@pytest.fixture(scope="session")
def simulated_patient(tmp_path_factory) -> SimulatedFolder:
    """A small simulated patient: two US views and an MRI. Shared by the session: read it, never write it."""
    from breastview.phantom.dicom import SMALL, write_patient

    folder = tmp_path_factory.mktemp("simulated") / "patient"
    record_file = folder.with_name("patient.review.json")
    write_patient(folder, seed=3, record_file=record_file, size=SMALL)
    return SimulatedFolder(folder, record_file)


@pytest.fixture(scope="session")
def small_bundle(tmp_path_factory) -> Path:
    """The folder of a small untrained model for simulated patients. Shared by the session: never write it."""
    import numpy as np
    import torch

    from breastview.fusion.bundle import save_bundle
    from breastview.fusion.network import FusionNetwork
    from breastview.fusion.spec import CHANNELS, InputSpec, Metric, ModelSpec, NetworkSpec, Scope

    spec = ModelSpec(
        name="TEST, untrained",
        demonstration=True,
        input=InputSpec(size_px=32),
        network=NetworkSpec(trunk="cnn", shared=False, dilated=False),
        scope=Scope(simulated_only=True, note="Untrained: for tests only."),
        cam_scale={"us": 0.001, "mri": 0.001},
        metrics={"fused": {"auc": Metric(0.5, 0.4, 0.6, 100)}},
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)  # its heatmaps are not empty
        network = FusionNetwork(spec.network)
    rng = np.random.default_rng(0)
    us = rng.standard_normal((1, 1, 32, 32), dtype=np.float32)
    mri = rng.standard_normal((1, len(CHANNELS), 32, 32), dtype=np.float32)
    folder = tmp_path_factory.mktemp("model") / "small"
    save_bundle(folder, spec, [network], us, mri)
    return folder


@pytest.fixture(scope="session")
def native_bundle(small_bundle) -> Path:
    """`small_bundle`, but for a network that looks at MRI as it was acquired. Never write it."""
    from breastview.fusion.spec import read_spec, write_spec

    folder = shutil.copytree(small_bundle, small_bundle.with_name("native"))
    spec = read_spec(folder)
    write_spec(folder, replace(spec, input=replace(spec.input, mri_input="native")))
    return folder
