"""A review record with something in every field, and the keys that it speaks of."""

from __future__ import annotations

from dataclasses import replace

from breastview.imaging.case import Role
from breastview.messages import message
from breastview.records.values import (
    BiRads,
    Calibration,
    CaseIdentity,
    FrameRegistration,
    GreyWindow,
    KeptReading,
    Lesion,
    MriMark,
    Pathology,
    ReviewRecord,
    RoleOverride,
    Side,
    UsMark,
)
from breastview.registration.parameters import (
    LandmarkPair,
    Method,
    PhaseMotion,
    RegistrationParameters,
    WarpPoint,
)

FINGERPRINT = "5f" * 32
STILL, MRI = "1.2.3.40", "1.2.3.50"

POSE = RegistrationParameters(
    centre_mm=(60.0, -120.0, 12.5),
    angles_deg=(3.0, -7.5, 0.1),
    scale=1.02,
    method=Method.LANDMARKS,
    landmarks=(LandmarkPair((-8.0, 12.0), (52.0, -108.0, 12.0), name="duct", weight=0.5),),
    warp=(WarpPoint((0.0, 15.0), (0.5, -1.0, 0.0), radius_mm=12.0),),
)
LESION = Lesion(
    "L1",
    side=Side.LEFT,
    clock_h=2.5,
    nipple_distance_mm=35.0,
    depth_mm=14.0,
    us=UsMark(STILL, 0, left=100.0, top=80.0, right=160.0, bottom=120.5),
    mri=MriMark(MRI, (61.0, -104.0, 13.0), extent_mm=(9.0, 8.0, 10.0)),
    bi_rads=BiRads.C4A,
    comment="边界不清 – unscharf",
    pathology=Pathology.MALIGNANT,
    first_bi_rads=BiRads.C3,
)
READING = KeptReading(
    lesion_id="L1",
    model_name="demonstration",
    model_sha256="ab" * 32,
    input_sha256="cd" * 32,
    device="cpu",
    demonstration=True,
    research_override=True,
    eligible=False,
    reasons=(
        message("scope.simulated_only"),
        message("concordance.far_apart", mm=21),
        message("role.dwi", b=800.0, where=message("role.b_ge")),
    ),
    probability=0.8125,
    probability_us=0.75,
    weight_us=0.4,
    weight_mri=0.6,
)
MOVED = PhaseMotion(MRI, "1.2.3.49", (20.0, -10.0, 5.0), (0.5, 0.0, -0.25), (1.5, -2.0, 0.5), 2.5, 3.25)
LEFT = replace(MOVED, volume_key="1.2.3.52", reason=message("motion.still", mm=0.2))
RECORD = ReviewRecord(
    CaseIdentity(FINGERPRINT, study_uids=("1.2.3",), series_uids=("1.2.3.4", "1.2.3.5")),
    lesions=(LESION, Lesion("L2")),
    registrations=(FrameRegistration(STILL, 0, POSE),),
    roles=(RoleOverride(MRI, Role.DCE, phase=2), RoleOverride("1.2.3.51", Role.DWI, b_value=800.0)),
    calibrations=(Calibration(STILL, (0.08, 0.08)),),
    motions=(MOVED, LEFT),
    windows=(GreyWindow(MRI, 210.0, 460.5),),
    readings=(READING,),
    first_read_committed=True,
    simulated=True,
    extra={"reader": "B"},
)
