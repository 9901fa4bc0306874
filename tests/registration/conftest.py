"""The simulated patient's images, as a registration joins them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.registration.exchange import RegisteredImages, registered_images
from breastview.registration.plane import us_plane


@pytest.fixture(scope="session")
def case(simulated_patient):
    return scan_folder(simulated_patient.folder)


@pytest.fixture(scope="session")
def images(case) -> RegisteredImages:
    """The first US still with its plane, and two volumes of the MRI, each a series."""
    frames = case.frames[0]
    joined = registered_images(case, frames.key, 0, us_plane(load_frames(frames)))
    return replace(joined, volumes=joined.volumes[:2])


@pytest.fixture(scope="session")
def other_images(case) -> RegisteredImages:
    """The second US still, and the same MRI."""
    frames = case.frames[1]
    return registered_images(case, frames.key, 0, us_plane(load_frames(frames)))
