"""The header values that a scan wants, by DICOM keyword, and how they are stored."""

from __future__ import annotations

from pydicom.datadict import dictionary_VR
from pydicom.tag import Tag

_WANTED = """
    SpecificCharacterSet ImageType SOPClassUID SOPInstanceUID StudyDate SeriesDate AcquisitionDate
    ContentDate AcquisitionTime ContentTime SeriesTime Modality Manufacturer StudyDescription
    SeriesDescription ManufacturerModelName PatientName PatientID PatientBirthDate PatientSex PatientAge
    BodyPartExamined ScanningSequence SequenceVariant ScanOptions MRAcquisitionType SequenceName
    SliceThickness RepetitionTime EchoTime InversionTime EchoNumbers SpacingBetweenSlices ProtocolName
    ContrastBolusAgent TriggerTime FlipAngle PatientPosition DiffusionBValue StudyInstanceUID
    SeriesInstanceUID SeriesNumber AcquisitionNumber InstanceNumber ImagePositionPatient
    ImageOrientationPatient FrameOfReferenceUID Laterality ImageLaterality TemporalPositionIdentifier
    NumberOfTemporalPositions ImageComments SamplesPerPixel PhotometricInterpretation
    PlanarConfiguration NumberOfFrames Rows Columns PixelSpacing BitsAllocated BitsStored HighBit
    PixelRepresentation WindowCenter WindowWidth RescaleIntercept RescaleSlope FrameTime
    BurnedInAnnotation
"""
WANTED = tuple(_WANTED.split())
PRIVATE = {
    0x00431039: ("GeBValue", "IS"),
    0x0019100C: ("SiemensBValue", "IS"),
    0x20011003: ("PhilipsBValue", "FL"),
}
KEYWORDS = {int(Tag(word)): word for word in WANTED} | {tag: name for tag, (name, _) in PRIVATE.items()}
VRS = {int(Tag(word)): dictionary_VR(word) for word in WANTED} | {tag: vr for tag, (_, vr) in PRIVATE.items()}

SEQUENCES_THAT_MATTER = frozenset({0x00186011, 0x52009229, 0x52009230})  # US regions, functional groups
PIXEL_DATA = 0x7FE00010
TEXT_VRS = frozenset({"PN", "LO", "SH", "LT", "ST", "UT", "UC"})  # read by SpecificCharacterSet

IMPLICIT_LE = "1.2.840.10008.1.2"
UNCOMPRESSED_LE = frozenset({IMPLICIT_LE, "1.2.840.10008.1.2.1"})
ENCAPSULATED = "1.2.840.10008.1.2.4."
RLE = "1.2.840.10008.1.2.5"
