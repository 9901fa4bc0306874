"""Registrations on disk, for other programs: ITK's .tfm and DICOM registration objects.

A file is read whole and judged before anything is answered, so that a refusal changes nothing.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from breastview.errors import RegistrationError
from breastview.imaging.case import refuse_inside
from breastview.registration.exchange import FileContent, Imported, RegisteredImages, accepted
from breastview.registration.itk import HEAD, tfm_content, tfm_text
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.spatial import dicom_bytes, dicom_content
from breastview.whole import write_whole

TFM, DICOM = ".tfm", ".dcm"
SUFFIXES = (TFM, DICOM)
LARGEST_BYTES = 256 * 1024 * 1024
_NAME_LENGTH = 12


def suggested_name(images: RegisteredImages, suffix: str) -> str:
    """A file name that says what is mapped to what, and nothing of the patient."""
    which = hashlib.sha256(images.us_sop_uid.encode()).hexdigest()[:_NAME_LENGTH]
    return f"us-plane-to-mri-lps_{which}_frame-{images.frame + 1}{suffix}"


def export_registration(path: Path, parameters: RegistrationParameters, images: RegisteredImages) -> None:
    """Write a registration as DICOM where `path` ends in .dcm, else as an ITK transform; whole or not at all.

    A DICOM object is Spatial Registration, or Deformable Spatial Registration where there is a local warp; it
    names the patient, as its source images do.

    Raises:
        CaseError: the place lies in the patient folder.
        RegistrationError: the place cannot be written; for DICOM also: the images are not DICOM, or have no
            frame of reference.
    """
    refuse_inside(images.folder, path)
    if path.suffix.lower() == DICOM:
        data = dicom_bytes(parameters, images)
    else:
        data = tfm_text(parameters, images).encode("ascii")
    try:
        write_whole(path, data)
    except OSError as error:
        raise RegistrationError.of("registration.file_unwritable") from type(error)()


def import_registration(path: Path, images: RegisteredImages) -> Imported:
    """Read a registration of these images from a file of either kind, known by its content.

    Raises:
        RegistrationError: it cannot be read, is about other images, or is no registration that can be kept.
    """
    file = path.name
    try:
        if path.stat().st_size > LARGEST_BYTES:
            raise RegistrationError.of("registration.file_unreadable", file=file)
        data = path.read_bytes()
    except OSError as error:
        raise RegistrationError.of("registration.file_closed", file=file) from type(error)()
    try:
        return accepted(_content(data, images, file), images, file)
    except RegistrationError:
        raise
    except Exception:  # noqa: BLE001  both libraries raise anything on a damaged file, and quote it
        raise RegistrationError.of("registration.file_unreadable", file=file) from None


def _content(data: bytes, images: RegisteredImages, file: str) -> FileContent:
    if data[128:132] == b"DICM":
        return dicom_content(data, images, file)
    if data.startswith(HEAD.encode()):
        return tfm_content(data.decode("utf-8"), file)
    raise RegistrationError.of("registration.file_unreadable", file=file)
