"""A simulated patient as an ordinary DICOM folder, labelled SIMULATED in every place a label can stand."""

from __future__ import annotations

from breastview.phantom.dicom.dialect import Dialect, Vendor, dialect_of
from breastview.phantom.dicom.folder import FULL, SMALL, Size, whole_maps, write_patient
from breastview.phantom.dicom.series import SERIES

__all__ = [
    "FULL",
    "SERIES",
    "SMALL",
    "Dialect",
    "Size",
    "Vendor",
    "dialect_of",
    "whole_maps",
    "write_patient",
]
