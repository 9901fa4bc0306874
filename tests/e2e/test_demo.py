"""The demonstration on a machine without a screen: reviewed patients, and pictures of the window."""

from __future__ import annotations

import json
import sys

import pypdfium2 as pdfium
import pytest
from PIL import Image

from breastview import cli, demo
from breastview.records.store import read
from breastview.records.values import BiRads


def test_the_demonstration_reviews_its_patients_and_shows_the_window(
    qtbot, simulated_patient, small_bundle, tmp_path, monkeypatch, capfd
):
    (tmp_path / "patient-0003").symlink_to(simulated_patient.folder)
    (tmp_path / "patient-0003.review.json").symlink_to(simulated_patient.record_file)
    monkeypatch.setattr(demo, "DEMONSTRATION", small_bundle)
    arguments = ["demo", "--out", str(tmp_path), "--patients", "1", "--seed", "3", "--headless"]
    monkeypatch.setattr(sys, "argv", ["breastview", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, _ = capfd.readouterr()
    written = tmp_path / "patient-0003-review"
    assert not ended.value.code
    assert "L1: probability of malignancy 0." in out and "(TEST, untrained, SIMULATED)" in out
    assert {"result.json", "report.pdf", "us_heatmap.png", "mri_heatmap.png", "window.png"} <= {
        path.name for path in written.iterdir()
    }
    assert json.loads((written / "result.json").read_text(encoding="utf-8"))["eligible"] is True
    report = pdfium.PdfDocument(written / "report.pdf")[0].get_textpage().get_text_bounded()
    read_as = {lesion.bi_rads for lesion in read(written / "committed.review.json").lesions}
    assert read_as == {BiRads.C4B} and "4B" in report
    with Image.open(written / "window.png") as picture:
        assert picture.size == (1920, 1080) and len(picture.getcolors(1 << 22)) > 100
    assert all(str(path) in out for path in written.glob("*.png"))
