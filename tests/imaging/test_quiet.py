"""No patient data in warnings, logs or errors."""

from __future__ import annotations

import threading
import traceback
import warnings

import pydicom
import pytest

from breastview.errors import CaseError
from breastview.imaging.load import load_frames, load_volume
from breastview.imaging.quiet import quiet
from breastview.imaging.scan import scan_folder
from breastview.messages import render
from tests.imaging.dicom_files import (
    coded,
    enhanced_mr,
    mr_series,
    mr_slice,
    raw_element,
    save,
    save_all,
    us_still,
)

SECRET = b"SECRETNAME"
BROKEN = [
    ("PatientBirthDate", SECRET),
    ("PatientAge", SECRET),
    ("StudyDate", SECRET),
    ("AcquisitionTime", SECRET),
    ("RepetitionTime", SECRET),
    ("InstanceNumber", SECRET),
    ("ImagePositionPatient", SECRET + b"\\1\\2"),
    ("PixelSpacing", SECRET),
    ("WindowCenter", SECRET),
    ("RescaleSlope", SECRET),
    ("SOPInstanceUID", SECRET),
    ("SpecificCharacterSet", SECRET),
    ("NumberOfFrames", SECRET),
    ("PatientName", SECRET * 20),
    ("PhotometricInterpretation", SECRET),
    ("ImageType", b"\\".join([SECRET] * 4)),
]


def opened(folder) -> list[str]:
    """All that the program says of a folder: problems, notes, reasons, errors with their tracebacks."""
    try:
        case = scan_folder(folder)
    except CaseError:
        return [traceback.format_exc()]
    said = [render(problem.reason) for problem in case.problems]
    said += [render(note) for note in case.notes]
    for item, load in [(v, load_volume) for v in case.volumes] + [(f, load_frames) for f in case.frames]:
        try:
            said += map(render, (*load(item).notes, item.role.reason))
        except CaseError:
            said.append(traceback.format_exc())
    return said


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize(("keyword", "raw"), BROKEN, ids=[keyword for keyword, _ in BROKEN])
def test_a_broken_value_that_holds_a_name_is_quoted_nowhere(tmp_path, caplog, capfd, recwarn, keyword, raw):
    made = [mr_slice(0), us_still(), enhanced_mr(), coded(us_still(2), "1.2.840.10008.1.2.4.80")]
    for number, one in enumerate(made):
        path = save(one, tmp_path / f"broken{number}")
        raw_element(path, keyword, raw)
    save_all(tmp_path, mr_series(3, series=7))
    recwarn.clear()
    caplog.clear()
    capfd.readouterr()
    said = opened(tmp_path)
    output = capfd.readouterr()
    told = [*said, caplog.text, output.out, output.err, *(str(warning.message) for warning in recwarn)]
    assert said
    assert not [text for text in told if SECRET.decode() in text]


def test_a_library_that_warns_is_not_heard(recwarn):
    with quiet():
        warnings.warn("SECRETNAME is no date", stacklevel=1)
    assert list(recwarn) == []


def test_other_warnings_are_heard_again_afterwards():
    with quiet(), quiet():
        pass
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_an_error_inside_leaves_the_warnings_as_they_were():
    with pytest.raises(ValueError, match="x"), quiet():
        raise ValueError("x")
    with pytest.warns(UserWarning, match="heard"):
        warnings.warn("heard", stacklevel=1)


def test_several_threads_may_be_quiet_at_once():
    before = list(warnings.filters)
    start = threading.Barrier(4)

    def work() -> None:
        start.wait(10)
        for _ in range(200):
            with quiet():
                warnings.warn("SECRETNAME", stacklevel=1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_pydicom_reads_without_judging():
    assert pydicom.config.settings.reading_validation_mode == pydicom.config.IGNORE
