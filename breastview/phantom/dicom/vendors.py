"""The habits of three vendors in classic MR objects: names, numbers, b-values and the times of the phases.

GE: b-value in (0043,1039), 10⁹ on top of it; all phases in one series, told apart by TriggerTime and temporal
position. Siemens: b-value in SequenceName and (0019,100C); a series a phase, all of one description. Philips:
b-value in (2001,1003); all phases in one series, told apart by temporal position; stored values rescaled.
"""

from __future__ import annotations

from collections.abc import Callable

from pydicom.dataset import Dataset

from breastview.phantom.dicom.dialect import Dialect, Vendor
from breastview.phantom.dicom.header import SIMULATED
from breastview.phantom.dicom.series import (
    GRADIENT,
    PLANAR,
    SPIN,
    Acquired,
    Series,
    acquisition_time,
    start_time,
)

GE_OFFSET = 1_000_000_000  # stands on top of the b-value when the sequence has several
PHILIPS_SLOPE = 0.5
_TEXTS = {
    Vendor.GE: {"t1wi": "Ax T1", "t2wi": "Ax T2", "dwi": "Ax DWI", "dce": "Ax VIBRANT+C"},
    Vendor.SIEMENS: {
        "t1wi": "t1_se_tra",
        "t2wi": "t2_se_tra",
        "dwi": "ep2d_diff_tra_spair",
        "dce": "t1_fl3d_tra_vibe_dyn_spair",
    },
    Vendor.PHILIPS: {"t1wi": "T1W_SE", "t2wi": "T2W_SE", "dwi": "DWI_SPAIR", "dce": "dyn_eTHRIVE"},
}
_NUMBERS = {
    Vendor.GE: {"t1wi": 2, "t2wi": 3, "dwi": 4, "dce": 5},
    Vendor.SIEMENS: {"t1wi": 3, "t2wi": 4, "dwi": 6, "dce": 8},
    Vendor.PHILIPS: {"t1wi": 201, "t2wi": 301, "dwi": 401, "dce": 501},
}


def describe(vendor: Vendor, series: Series) -> str:
    """SeriesDescription."""
    return f"{SIMULATED} {_TEXTS[vendor][series.kind]}"


def series_number(dialect: Dialect, series: Series) -> int:
    """SeriesNumber; between two phases of Siemens' classic series their subtraction takes a number."""
    number = _NUMBERS[dialect.vendor][series.kind]
    apart = own_series(dialect.vendor, series) and not dialect.enhanced and series.phase > 1
    return number + 2 * series.phase - 3 if apart else number


def own_series(vendor: Vendor, series: Series) -> bool:
    """Whether a volume is a classic series by itself."""
    return vendor is Vendor.SIEMENS and series.delay_s is not None


def sequence_name(series: Series) -> str:
    """Siemens' name of a sequence, with the b-value of a trace image (SequenceName)."""
    if series.b_value is not None:
        return f"*ep_b{series.b_value}{'t' if series.b_value else ''}"
    return "*se2d1" if series.sequence == SPIN else "*fl3d1"


def pulse_sequence(vendor: Vendor, series: Series) -> str:
    """PulseSequenceName of an enhanced object."""
    if vendor is Vendor.SIEMENS:
        return sequence_name(series)
    return {SPIN: "SE", PLANAR: "DwiSE", GRADIENT: "FFE"}[series.sequence]


def classic(dataset: Dataset, dialect: Dialect, acquired: Acquired, phases: int) -> None:
    """Write down a volume in the vendor's way: what is the same in all of its slices."""
    series = acquired.series
    dataset.SeriesNumber = series_number(dialect, series)
    dataset.SeriesDescription = dataset.ProtocolName = describe(dialect.vendor, series)
    dataset.AcquisitionNumber = 1
    dataset.AcquisitionTime = dataset.ContentTime = acquisition_time(series) if dialect.timed else ""
    _HABITS[dialect.vendor](dataset, dialect, series, phases)


def _ge(dataset: Dataset, dialect: Dialect, series: Series, phases: int) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER", SIMULATED]
    if series.b_value is not None:
        dataset.add_new(0x00430010, "LO", "GEMS_PARM_01")
        dataset.add_new(0x00431039, "IS", [GE_OFFSET + series.b_value, 8, 0, 0])
    if series.delay_s is None:
        return
    _temporal_position(dataset, series, phases)
    if dialect.timed:
        dataset.AcquisitionTime = dataset.ContentTime = start_time(series)
        dataset.TriggerTime = series.delay_s * 1000


def _siemens(dataset: Dataset, dialect: Dialect, series: Series, phases: int) -> None:
    kind = ["DIFFUSION", "TRACEW"] if series.b_value is not None else ["M"]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", *kind, "NORM", "DIS2D", SIMULATED]
    dataset.SequenceName = sequence_name(series)
    dataset.AcquisitionNumber = max(series.phase, 1)
    if series.b_value is not None and dialect.timed:
        dataset.add_new(0x00190010, "LO", "SIEMENS MR HEADER")
        dataset.add_new(0x0019100C, "IS", series.b_value)


def _philips(dataset: Dataset, dialect: Dialect, series: Series, phases: int) -> None:
    kind = "SE" if series.delay_s is None else "FFE"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", f"M_{kind}", "M", kind, SIMULATED]
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, PHILIPS_SLOPE, "normalized"
    dataset.add_new(0x20010010, "LO", "Philips Imaging DD 001")
    dataset.add_new(0x20011003, "FL", float(series.b_value or 0))
    if series.delay_s is not None:
        _temporal_position(dataset, series, phases)


def _temporal_position(dataset: Dataset, series: Series, phases: int) -> None:
    dataset.TemporalPositionIdentifier, dataset.NumberOfTemporalPositions = series.phase, phases


_HABITS: dict[Vendor, Callable[[Dataset, Dialect, Series, int], None]] = {
    Vendor.GE: _ge,
    Vendor.SIEMENS: _siemens,
    Vendor.PHILIPS: _philips,
}
