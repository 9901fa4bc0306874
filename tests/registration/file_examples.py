"""Registrations that go out as files, and what comes back."""

from __future__ import annotations

from dataclasses import replace

import pydicom
import pytest

from breastview.errors import RegistrationError
from breastview.registration.files import export_registration, import_registration
from breastview.registration.parameters import LandmarkPair, Method, RegistrationParameters, WarpPoint

WARP = (WarpPoint((0.0, 15.0), (3.0, -2.0, 1.0), 10.0), WarpPoint((6.0, 18.0), (-1.0, 2.0, 0.0), 8.0))
RIGID = RegistrationParameters((40.1, -80.2, 1 / 3), (10.0, 20.0, -70.0), method=Method.LANDMARKS)
SIMILAR = replace(RIGID, scale=1.04, landmarks=(LandmarkPair((1.0, 2.0), (3.0, 4.0, 5.0), "囊肿"),))
BENT = replace(SIMILAR, warp=WARP)


def refusal(path, images) -> str:
    """The code of the refusal, whose sentence names the file and no folder."""
    with pytest.raises(RegistrationError) as refused:
        import_registration(path, images)
    assert refused.value.message.params["file"] == path.name
    assert str(path.parent) not in str(refused.value)
    return refused.value.message.code.removeprefix("registration.")


def read_dicom(tmp_path, parameters, images) -> pydicom.Dataset:
    """The DICOM object that a registration goes out as."""
    export_registration(tmp_path / "file.dcm", parameters, images)
    return pydicom.dcmread(tmp_path / "file.dcm")
