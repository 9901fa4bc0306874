"""The set-up names or installs what Qt needs, on machines that a test makes up."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "installer" / "system-libraries"


@pytest.fixture
def machine(tmp_path):
    """Run the script where some commands answer as told."""

    def run(**commands: str) -> subprocess.CompletedProcess[str]:
        for name, body in commands.items():
            path = tmp_path / name.replace("_", "-")
            path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
            path.chmod(0o755)
        path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [str(SCRIPT), sys.executable], env={"PATH": path}, capture_output=True, text=True, check=False
        )

    return run


def test_without_rights_one_line_names_what_is_missing(machine):
    run = machine(uname="echo Linux", ldconfig="true", fc_list="echo a font", id="echo 1000")
    assert run.returncode == 0
    assert run.stderr.count("\n") == 1
    assert "libegl1 libgl1" in run.stderr and "libxcb-cursor0" in run.stderr


def test_a_failed_installation_names_them_too(machine):
    run = machine(
        uname="echo Linux",
        ldconfig="true",
        fc_list="echo a font",
        id="echo 0",
        apt_get="exit 1",
    )
    assert run.returncode == 0
    assert "libegl1" in run.stderr.splitlines()[-1]


def test_root_installs_only_what_is_missing(machine, tmp_path):
    libraries = " ".join(
        line.split()[1]
        for line in SCRIPT.read_text(encoding="utf-8").splitlines()
        if line.startswith("need lib") and "libEGL" not in line
    )
    run = machine(
        uname="echo Linux",
        ldconfig=f"printf '%s\\n' {libraries}",
        fc_list="echo a font",
        id="echo 0",
        apt_get=f'echo "$@" >> {tmp_path}/asked',
    )
    assert run.stderr == ""
    asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
    assert [line.split()[0] for line in asked] == ["update", "install"]
    assert asked[1].endswith("--no-install-recommends libegl1")


def test_elsewhere_than_on_linux_it_says_nothing(machine):
    run = machine(uname="echo Darwin")
    assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
