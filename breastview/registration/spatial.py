"""Registrations as DICOM: Spatial Registration, and Deformable Spatial Registration where there is a warp.

A US still has no frame of reference, so one is minted for its plane. A Spatial Registration carries the
source images into the registered space (PS3.3 C.20.2), so that is the MRI's; a Deformable one says for each
place of the registered space where to sample the source (C.20.3), so there it is the US plane's.
"""

from __future__ import annotations

import datetime
import io
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeformableSpatialRegistrationStorage,
    ExplicitVRLittleEndian,
    SpatialRegistrationStorage,
    generate_uid,
)
from pydicom.valuerep import format_number_as_ds

from breastview import __version__
from breastview.errors import RegistrationError
from breastview.imaging.charset import decode_text
from breastview.imaging.header import read_header
from breastview.imaging.quiet import quiet
from breastview.registration.exchange import FileContent, RegisteredImages, kept_from, kept_text
from breastview.registration.parameters import Method, RegistrationParameters
from breastview.registration.sampled import SampledWarp, sampled
from breastview.registration.transform import us_to_mri

PRIVATE_GROUP, PRIVATE_CREATOR, PRIVATE_TEXT = 0x0071, "BREASTVIEW REGISTRATION", 0x01
_COPIED = (  # noqa: SIM905
    "PatientName PatientID PatientBirthDate PatientSex PatientIdentityRemoved DeidentificationMethod "
    "StudyInstanceUID StudyDate StudyTime StudyID StudyDescription AccessionNumber ReferringPhysicianName"
).split()
_OPTIONAL = {"PatientIdentityRemoved", "DeidentificationMethod", "StudyDescription"}
# CID 7100, RCS Registration Method Type
_IDENTITY = ("125021", "Frame of Reference Identity")
_VISUAL = ("125025", "Visual Alignment")
_HOW = {
    Method.LANDMARKS: ("125022", "Fiducial Alignment"),
    Method.MANUAL: _VISUAL,
    Method.MRI_MARK: _VISUAL,
}

Instances = list[tuple[str, str]]  # SOP class and SOP instance UID


def dicom_bytes(parameters: RegistrationParameters, images: RegisteredImages) -> bytes:
    """A registration as a DICOM file. Patient and study are those of the US image.

    Raises:
        RegistrationError: the images are not DICOM, have no frame of reference, or cannot be read any more.
    """
    if not images.volumes[0].frame_of_reference_uid or not images.frames.series_uid:
        raise RegistrationError.of("registration.file_needs_dicom")
    try:
        with quiet():
            dataset = _head(parameters, images)
            _refer(dataset, images)
    except Exception as error:  # noqa: BLE001  pydicom raises anything on a damaged header, and quotes it
        raise RegistrationError.of("registration.file_no_source") from type(error)()
    block = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR, create=True)
    block.add_new(PRIVATE_TEXT, "UT", kept_text(parameters, images))
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def _head(parameters: RegistrationParameters, images: RegisteredImages) -> FileDataset:
    """Everything but the references between series."""
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.ImplementationVersionName = "BREASTVIEW"
    dataset = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SpecificCharacterSet = "ISO_IR 192"
    for keyword, value in _patient_and_study(images).items():
        setattr(dataset, keyword, value)
    dataset.SOPInstanceUID, dataset.SeriesInstanceUID = generate_uid(), generate_uid()
    dataset.Modality = "REG"
    dataset.SeriesNumber = None
    dataset.SeriesDescription = _simulated(images, "BreastView registration")
    dataset.Manufacturer = dataset.ManufacturerModelName = "BreastView"
    dataset.DeviceSerialNumber, dataset.SoftwareVersions = "none", __version__
    dataset.InstanceNumber, dataset.ContentLabel = 1, "REGISTRATION"
    dataset.ContentDescription = _simulated(images, "Ultrasound plane in MRI")
    dataset.PositionReferenceIndicator = ""
    now = datetime.datetime.now()
    dataset.ContentDate, dataset.ContentTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    dataset.SeriesDate, dataset.SeriesTime = dataset.ContentDate, dataset.ContentTime
    if parameters.warp:
        _deformable(dataset, parameters, images)
    else:
        _rigid(dataset, parameters, images)
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    return dataset


def _simulated(images: RegisteredImages, text: str) -> str:
    return f"SIMULATED {text}" if images.simulated else text


def _patient_and_study(images: RegisteredImages) -> dict[str, str]:
    """The texts of the US header that name patient and study; those that must be there may be empty."""
    source = pydicom.dcmread(images.frames.sources[0].path, stop_before_pixels=True, force=True)
    declared = source.get("SpecificCharacterSet") or ""
    charsets = (declared,) if isinstance(declared, str) else tuple(declared)
    texts = {keyword: _text(source, keyword, charsets) for keyword in _COPIED}
    return {keyword: text for keyword, text in texts.items() if text or keyword not in _OPTIONAL}


def _text(source: Dataset, keyword: str, charsets: tuple[str, ...]) -> str:
    if keyword not in source:
        return ""
    raw = source.get_item(keyword)
    value = raw.value if raw is not None else None
    return decode_text(value, charsets) if isinstance(value, bytes) else str(value or "")


def _rigid(dataset: Dataset, parameters: RegistrationParameters, images: RegisteredImages) -> None:
    """The Spatial Registration module: both spaces carried into the MRI's."""
    dataset.SOPClassUID = SpatialRegistrationStorage
    dataset.FrameOfReferenceUID = images.mri_space
    kind = "RIGID" if parameters.scale == 1.0 else "RIGID_SCALE"
    dataset.RegistrationSequence = Sequence(
        [
            _carried(images.mri_space, _mri_references(images), _matrix(np.eye(4), "RIGID"), _IDENTITY),
            _carried(
                images.us_space,
                [_us_reference(images)],
                _matrix(us_to_mri(parameters), kind),
                _HOW.get(parameters.method),
                _plane_comment(images),
            ),
        ]
    )


def _carried(
    space: str, references: list[Dataset], matrix: Dataset, how: tuple[str, str] | None, comment: str = ""
) -> Dataset:
    """One item of the Registration Sequence."""
    registration = _item(MatrixSequence=Sequence([matrix]), RegistrationTypeCodeSequence=_code(how))
    if comment:
        registration.FrameOfReferenceTransformationComment = comment
    return _item(
        FrameOfReferenceUID=space,
        ReferencedImageSequence=Sequence(references),
        MatrixRegistrationSequence=Sequence([registration]),
    )


def _deformable(dataset: Dataset, parameters: RegistrationParameters, images: RegisteredImages) -> None:
    """The Deformable Spatial Registration module: x_mri = post · (x_us + grid(x_us))."""
    dataset.SOPClassUID = DeformableSpatialRegistrationStorage
    dataset.FrameOfReferenceUID = images.us_space
    kind = "RIGID" if parameters.scale == 1.0 else "RIGID_SCALE"
    mri = _item(
        SourceFrameOfReferenceUID=images.mri_space,
        ReferencedImageSequence=Sequence(_mri_references(images)),
        RegistrationTypeCodeSequence=_code(_HOW.get(parameters.method)),
        FrameOfReferenceTransformationComment=_plane_comment(images),
        DeformableRegistrationGridSequence=Sequence([_grid(sampled(parameters.warp))]),
        PostDeformationMatrixRegistrationSequence=Sequence([_matrix(us_to_mri(parameters), kind)]),
    )
    us = _item(
        SourceFrameOfReferenceUID=images.us_space,
        ReferencedImageSequence=Sequence([_us_reference(images)]),
        RegistrationTypeCodeSequence=_code(_IDENTITY),
    )
    dataset.DeformableRegistrationSequence = Sequence([mri, us])


def _grid(warp: SampledWarp) -> Dataset:
    return _item(
        ImagePositionPatient=list(warp.first_mm),
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        GridDimensions=list(warp.shifts_mm.shape[2::-1]),
        GridResolution=list(warp.spacing_mm),
        VectorGridData=warp.shifts_mm.astype("<f4").tobytes(),
    )


def _matrix(matrix: np.ndarray, kind: str) -> Dataset:
    numbers = [format_number_as_ds(float(value)) for value in matrix.ravel()]
    return _item(FrameOfReferenceTransformationMatrixType=kind, FrameOfReferenceTransformationMatrix=numbers)


def _code(how: tuple[str, str] | None) -> Sequence:
    if how is None:
        return Sequence()
    return Sequence([_item(CodeValue=how[0], CodingSchemeDesignator="DCM", CodeMeaning=how[1])])


def _plane_comment(images: RegisteredImages) -> str:
    """Where the plane's millimetres lie in the picture, within the 64 characters of a LO."""
    column, row = images.plane.origin_px
    down, across = images.plane.spacing_mm
    return f"US mm: 0 at column {column:.1f} row {row:.1f}; {across:.5g} x {down:.5g} mm/px"


def _us_reference(images: RegisteredImages) -> Dataset:
    header = read_header(images.frames.sources[0].path)
    reference = _instance(header.text("SOPClassUID"), images.us_sop_uid)
    if len(images.frames.sources) > 1:
        reference.ReferencedFrameNumber = images.frame + 1
    return reference


def _mri_references(images: RegisteredImages) -> list[Dataset]:
    series = _mri_series(images).values()
    return [_instance(*instance) for instances in series for instance in instances]


def _mri_series(images: RegisteredImages) -> dict[tuple[str, str], Instances]:
    """The MRI's instances by study and series, each once."""
    found: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for volume in images.volumes:
        sop_class = read_header(volume.sources[0].path).text("SOPClassUID")
        found[volume.study_uid, volume.series_uid].update(
            {source.sop_uid: sop_class for source in volume.sources}
        )
    return {series: [(kind, uid) for uid, kind in uids.items()] for series, uids in found.items()}


def _refer(dataset: Dataset, images: RegisteredImages) -> None:
    """The Common Instance Reference module: every instance referenced, by study and series."""
    sop_class = read_header(images.frames.sources[0].path).text("SOPClassUID")
    series = {
        (images.frames.study_uid, images.frames.series_uid): [(sop_class, images.us_sop_uid)],
        **_mri_series(images),
    }
    studies: dict[str, list[Dataset]] = defaultdict(list)
    for (study, uid), instances in series.items():
        references = Sequence([_instance(*instance) for instance in instances])
        studies[study].append(_item(SeriesInstanceUID=uid, ReferencedInstanceSequence=references))
    dataset.ReferencedSeriesSequence = Sequence(studies.pop(dataset.StudyInstanceUID))
    if studies:
        dataset.StudiesContainingOtherReferencedInstancesSequence = Sequence(
            [
                _item(StudyInstanceUID=study, ReferencedSeriesSequence=Sequence(items))
                for study, items in studies.items()
            ]
        )


def _instance(sop_class: str, uid: str) -> Dataset:
    return _item(ReferencedSOPClassUID=sop_class, ReferencedSOPInstanceUID=uid)


def _item(**values: Any) -> Dataset:
    made = Dataset()
    for keyword, value in values.items():
        setattr(made, keyword, value)
    return made


def dicom_content(data: bytes, images: RegisteredImages, file: str) -> FileContent:
    """What a registration object says about these images, whichever program wrote it.

    Raises:
        RegistrationError: it is none, or is about other images, another plane or another MRI.
    """
    with quiet():
        dataset = pydicom.dcmread(io.BytesIO(data))
        kind = dataset.get("SOPClassUID")
        if kind == SpatialRegistrationStorage:
            matrix, warp = _placed(dataset, images, file), None
        elif kind == DeformableSpatialRegistrationStorage:
            matrix, warp = _deformed(dataset, images, file)
        else:
            raise RegistrationError.of("registration.file_unreadable", file=file)
        return FileContent(matrix, warp, _own(dataset, file))


def _placed(dataset: Dataset, images: RegisteredImages, file: str) -> np.ndarray:
    """From the US plane into the registered space and back out of it into the MRI's."""
    placed = {str(dataset.FrameOfReferenceUID): np.eye(4)}
    for item in dataset.RegistrationSequence:
        (registration,) = item.MatrixRegistrationSequence
        (matrix,) = registration.MatrixSequence
        placed[str(item.get("FrameOfReferenceUID", ""))] = _numbers(matrix)
    if images.us_space not in placed:
        _refuse_us(dataset.RegistrationSequence, images, file)
    if images.mri_space not in placed:
        raise RegistrationError.of("registration.file_other_mri", file=file)
    try:
        return np.linalg.inv(placed[images.mri_space]) @ placed[images.us_space]
    except np.linalg.LinAlgError:
        raise RegistrationError.of("registration.file_singular", file=file) from None


def _deformed(dataset: Dataset, images: RegisteredImages, file: str) -> tuple[np.ndarray, SampledWarp | None]:
    items = dataset.DeformableRegistrationSequence
    if dataset.FrameOfReferenceUID != images.us_space:
        _refuse_us(items, images, file)
    mri = next((item for item in items if item.SourceFrameOfReferenceUID == images.mri_space), None)
    if mri is None:
        raise RegistrationError.of("registration.file_other_mri", file=file)
    before = _one_matrix(mri, "PreDeformationMatrixRegistrationSequence")
    after = _one_matrix(mri, "PostDeformationMatrixRegistrationSequence")
    grids = mri.get("DeformableRegistrationGridSequence") or ()
    if not grids:
        return after @ before, None
    (grid,) = grids
    straight = list(grid.ImageOrientationPatient) == [1, 0, 0, 0, 1, 0]
    if not straight or not np.array_equal(before, np.eye(4)):
        raise RegistrationError.of("registration.file_foreign_warp", file=file)
    columns, rows, depth = grid.GridDimensions
    shifts = np.frombuffer(grid.VectorGridData, "<f4").reshape(depth, rows, columns, 3).astype(float)
    x, y, z = map(float, grid.ImagePositionPatient)
    across, down, through = map(float, grid.GridResolution)
    return after, SampledWarp((x, y, z), (across, down, through), shifts)


def _one_matrix(item: Dataset, keyword: str) -> np.ndarray:
    items = item.get(keyword) or ()
    if not items:
        return np.eye(4)
    (matrix,) = items
    return _numbers(matrix)


def _numbers(matrix: Dataset) -> np.ndarray:
    return np.array([float(value) for value in matrix.FrameOfReferenceTransformationMatrix]).reshape(4, 4)


def _refuse_us(items: Sequence, images: RegisteredImages, file: str) -> None:
    """Say why the US plane's space is not among those of a file."""
    frames = dict(_referenced(items))
    if images.us_sop_uid not in frames:
        raise RegistrationError.of("registration.file_other_us", file=file)
    number = frames[images.us_sop_uid]
    if number is not None and number != images.frame + 1:
        raise RegistrationError.of("registration.file_other_frame", file=file, frame=number)
    raise RegistrationError.of("registration.file_other_plane", file=file)


def _referenced(items: Sequence) -> Iterator[tuple[str, int | None]]:
    for item in items:
        for reference in item.get("ReferencedImageSequence") or ():
            number = reference.get("ReferencedFrameNumber")
            yield str(reference.ReferencedSOPInstanceUID), None if number is None else int(number)


def _own(dataset: Dataset, file: str) -> Any:
    """BreastView's own words, where an archive has not dropped them."""
    try:
        text = dataset.private_block(PRIVATE_GROUP, PRIVATE_CREATOR)[PRIVATE_TEXT].value
    except KeyError:
        return None
    return kept_from(text.rstrip(b"\0 ") if isinstance(text, bytes) else text, file)
