"""A small made-up exam and a small untrained network, for the tests of this folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from breastview.fusion.bundle import Bundle
from breastview.fusion.network import FusionNetwork
from breastview.fusion.preprocess import Crop, ModelInput
from breastview.fusion.spec import InputSpec, ModelSpec, NetworkSpec, Scope
from breastview.imaging.case import (
    Patient,
    PixelScale,
    Role,
    RoleChoice,
    ScannedCase,
    ScannedVolume,
)
from breastview.imaging.geometry import index_to_lps
from breastview.imaging.volume import FrameStack, Sector, Volume
from breastview.messages import message
from breastview.records.values import (
    CaseIdentity,
    FrameRegistration,
    Lesion,
    MriMark,
    ReviewRecord,
    Side,
    UsMark,
)
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import PlaneGrid, UsPlane, us_plane
from breastview.registration.transform import map_points

SMALL = InputSpec(size_px=32)
SPEC = ModelSpec(
    name="example",
    demonstration=True,
    input=SMALL,
    network=NetworkSpec(trunk="cnn"),
    scope=Scope(),
    weights_sha256="ab" * 32,
    temperature={"fused": 1.5, "us": 2.0, "mri": 0.5},
    cam_scale={"us": 0.01, "mri": 0.003},
)
NATIVE = replace(SPEC, input=replace(SMALL, mri_input="native"))
POSE = RegistrationParameters(centre_mm=(-60.0, -40.0, 10.0), angles_deg=(12.0, -20.0, 7.0))
MARK = UsMark("frames", 0, left=60, top=40, right=100, bottom=64)


def network(seed: int = 0, spec: NetworkSpec = SPEC.network) -> FusionNetwork:
    """An untrained network whose batch norms have seen something."""
    torch.manual_seed(seed)
    net = FusionNetwork(spec)
    us, mri = torch.randn(8, 1, 32, 32), torch.randn(8, 8, 32, 32)
    with torch.no_grad():
        net(us, mri)
    return net.eval()


def bundle(seed: int = 0, spec: ModelSpec = SPEC) -> Bundle:
    """A bundle that never was on disk."""
    return Bundle(spec, (network(seed, spec.network).requires_grad_(False),), torch.device("cpu"))


def given(seed: int = 0) -> ModelInput:
    """A complete input of noise."""
    rng = np.random.default_rng(seed)
    return ModelInput(
        lesion_id="L1",
        us=rng.normal(size=(1, 32, 32)).astype(np.float32),
        mri=rng.normal(size=(4, 32, 32)).astype(np.float32),
        channels_present=np.ones(4, bool),
        us_crop=Crop(48.0, 20.0, 64.0, 64.0),
        mri_grid=PlaneGrid(-6.3, 2.1, 0.4, 32, 32),
        input_sha256="cd" * 32,
    )


def stack(scale: bool = True) -> FrameStack:
    """A US still of 160 × 120 px, 0.2 mm a pixel, bright to the right and below."""
    rows, columns = np.mgrid[:120, :160]
    frames = (rows + columns // 2)[None].astype(np.uint8)
    known = PixelScale((0.2, 0.2), message("scale.region")) if scale else None
    return FrameStack(
        "frames", RoleChoice(Role.US_STILL, message("role.us_still")), frames, known, Sector(10, 8, 150, 112)
    )


def stacks(*known: FrameStack) -> dict[str, FrameStack]:
    """Loaded US images by key: these, or `stack`."""
    return {one.key: one for one in known or (stack(),)}


def plane() -> UsPlane:
    """The plane of `stack`."""
    return us_plane(stack())


def lesion() -> Lesion:
    """A lesion that is marked in both modalities, at the same place."""
    middle = plane().px_to_mm(np.array([80.0, 52.0]))
    x, y, z = map_points(POSE, middle)
    return Lesion("L1", side=Side.RIGHT, us=MARK, mri=MriMark("t1wi", (float(x), float(y), float(z))))


def record(*lesions: Lesion, pose: RegistrationParameters | None = POSE) -> ReviewRecord:
    """A record with these lesions; the US still is registered unless `pose` is None."""
    entries = (FrameRegistration("frames", 0, pose),) if pose else ()
    return ReviewRecord(CaseIdentity("ef" * 32), lesions=lesions, registrations=entries)


def volume(key: str, values) -> Volume:
    """MRI of 30 × 60 × 60 voxels around the US plane; `values` maps LPS points (..., 3) to numbers."""
    matrix = index_to_lps((-100.0, -70.0, -30.0), (1, 0, 0, 0, 1, 0), (1.5, 1.5), (0, 0, 3.0))
    index = np.stack(np.mgrid[:30, :60, :60], axis=-1)
    points = index @ matrix[:3, :3].T + matrix[:3, 3]
    choice = RoleChoice(Role.OTHER, message("role.unknown"))
    return Volume(key, choice, np.asarray(values(points), np.float32), matrix, (500.0, 1000.0))


def ramp(points: np.ndarray) -> np.ndarray:
    """A signal that rises evenly through the patient."""
    return 900.0 + points @ [3.0, -2.0, 4.0]


def volumes() -> dict[str, Volume]:
    """All five volumes that the network looks at."""
    return {
        "t1wi": volume("t1wi", ramp),
        "t2wi": volume("t2wi", lambda p: 2 * ramp(p)),
        "dwi": volume("dwi", lambda p: 0.1 * ramp(p)),
        "dce_pre": volume("dce_pre", lambda p: np.full(p.shape[:-1], 200.0)),
        "dce_post": volume("dce_post", lambda p: 200.0 + 0.5 * ramp(p)),
    }


def scanned(role: Role, key: str = "", slices: int = 30, **details) -> ScannedVolume:
    """A volume as a scan finds it."""
    return ScannedVolume(
        key=key or role.value,
        series_uid="1.2.3",
        study_uid="1.2",
        frame_of_reference_uid="1.2.9",
        description="",
        series_number=1,
        role=RoleChoice(role, message("role.user"), **details),
        sources=(),
        shape=(slices, 60, 60),
        index_to_lps=np.eye(4),
        orientation="axial",
    )


def case(*volumes: ScannedVolume, age_y: int | None = 50, simulated: bool = False) -> ScannedCase:
    """A scanned case; one T1WI unless volumes are given."""
    found = volumes or (scanned(Role.T1WI),)
    found = tuple(replace(v, simulated=simulated) for v in found)
    return ScannedCase(Path("case"), Patient(age_y=age_y), found, (), (), "ef" * 32)
