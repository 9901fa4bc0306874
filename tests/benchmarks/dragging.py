"""Dragging: a step of the mouse until the fused view is painted, beside a plain reslice and a bare paint."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk  # noqa: N813
from PySide6.QtCore import QPointF, Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication

from breastview.app import Application, make_application
from breastview.records.store import RecordStore
from breastview.records.values import MriMark, UsMark
from breastview.registration.parameters import LandmarkPair, RegistrationParameters, WarpPoint
from breastview.registration.transform import map_points, us_to_mri
from breastview.review.actions import AddLesion, MarkMri, MarkUs
from breastview.review.registering import SetRegistration
from breastview.ui.panes.canvas import Canvas
from breastview.ui.session import Session
from tests.benchmarks.opening import write_series
from tests.benchmarks.row import Row
from tests.imaging.dicom_files import region, save_all, us_still

SIDE_PX = 512  # of the US picture's sector and, at `VIEW_STEP_MM`, of the MRI under it
SPACING_MM = 0.2
STEPS = 120  # of one drag
FRAME_MS = 1000 / 60
LEFT, PLAIN = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
POSE = RegistrationParameters((40.0, -60.0, 5.0), (12.0, -8.0, 25.0))
PAIRS = ((-20.0, 20.0), (25.0, 30.0), (-10.0, 60.0), (15.0, 75.0), (0.0, 45.0))
NODES, NODE_MM, NODE_RADIUS_MM = 5, 20.0, 30.0


@dataclass(frozen=True)
class Drag:
    """Times in ms: of the steps, of a reslice with a bare paint by turns with them, and of letting go."""

    steps_ms: np.ndarray
    reference_ms: np.ndarray
    rest_ms: float


def rows() -> Iterator[Row]:
    """Drag with the mouse in an offscreen window; every step ends when all that it changed is painted."""
    with opened() as application:
        register(application.session)
        for name, parameters in (("rigid", POSE), ("bent", bent(POSE))):
            for doing, keys in (("moved", PLAIN), ("turned", Qt.KeyboardModifier.ShiftModifier)):
                yield from _of(f"{name} plane {doing}", dragged(application, parameters, keys))


def _of(name: str, drag: Drag) -> Iterator[Row]:
    middle, late = np.percentile(drag.steps_ms, (50, 99))
    reference = float(np.median(drag.reference_ms))
    whole = "reslice + bare paint"
    yield Row(f"{name}, step to paint, p50", float(middle), "ms", whole, reference, "ratio ≤ 1.2")
    yield Row(f"{name}, step to paint, p99", float(late), "ms", "one frame of 60 Hz", FRAME_MS, "ratio ≤ 1")
    yield Row(f"{name}, let go to paint", drag.rest_ms, "ms", whole, reference, "for comparison")


@contextmanager
def opened() -> Iterator[Application]:
    """The program with a 512² still and an MRI of 160 × 448 × 448 in its window."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "patient").mkdir()
        write_series(folder / "patient", phases=2)
        speckle = np.random.default_rng(3).integers(60, 200, (SIDE_PX, SIDE_PX), np.uint8)
        whole = region(0, 0, SIDE_PX - 1, SIDE_PX - 1, SPACING_MM / 10)
        person = {"PatientID": "SIM-BENCH", "PatientName": "SIMULATED^BENCH", "PatientBirthDate": "19740101"}
        save_all(folder / "patient", us_still(pixels=speckle, regions=[whole], **person))
        qt = make_application()
        application = Application(RecordStore(folder / "records"), model=folder / "no model")
        application.window.view.resize(1600, 1000)
        application.session.open_folder(folder / "patient")
        while application.session.tasks.busy or application.session.volume is None:
            qt.processEvents()
            time.sleep(0.01)
        yield application
        application.window.view.close()
        application.close()


def register(session: Session) -> None:
    """A lesion that is marked in both images, and pairs beside it: all that a drag could keep busy."""
    assert session.us_key is not None and session.mri_key is not None
    session.dispatch(AddLesion())
    session.dispatch(MarkUs("L1", UsMark(session.us_key, 0, 240.0, 180.0, 290.0, 220.0)))
    place = map_points(POSE, np.array([2.0, 40.0, 3.0]))
    session.dispatch(MarkMri("L1", MriMark(session.mri_key, _point(place), (9.0, 8.0, 7.0))))


def bent(pose: RegistrationParameters) -> RegistrationParameters:
    """The pose with 25 nodes of a warp across the picture."""
    rng = np.random.default_rng(7)
    x = NODE_MM * (np.arange(NODES) - NODES // 2)
    nodes = [(float(a), float(b)) for a in x for b in x + 51.0]
    return replace(
        pose, warp=tuple(WarpPoint(at, _point(rng.normal(0, 1.5, 3)), NODE_RADIUS_MM) for at in nodes)
    )


def dragged(application: Application, pose: RegistrationParameters, keys: Qt.KeyboardModifier) -> Drag:
    """Drag the fused MRI in a spiral, one mouse move a step, and let it go."""
    session, window = application.session, application.window
    pairs = tuple(LandmarkPair(at, _point(map_points(pose, np.array(at)) + 1.0)) for at in PAIRS)
    assert session.us_key is not None
    session.dispatch(SetRegistration(session.us_key, 0, replace(pose, landmarks=pairs)))
    window.mri.set_mode("fused")
    window.tools.browse()
    window.tools.choose("mri_move")
    canvas = window.view.mri.canvas
    reslice = reslicer(session)
    first = canvas.to_widget(330.0, 256.0)
    QApplication.processEvents()
    QTest.mousePress(canvas.viewport(), LEFT, keys, first.toPoint())
    steps, references = [], []
    for number in range(STEPS):
        place = first + QPointF(np.cos(number / 9) * number / 4, np.sin(number / 9) * number / 4)
        steps.append(_painted_ms(lambda: QTest.mouseMove(canvas.viewport(), place.toPoint())))  # noqa: B023
        references.append(_once_ms(reslice) + bare_paint_ms(canvas))
    rest = _painted_ms(lambda: QTest.mouseRelease(canvas.viewport(), LEFT, keys, place.toPoint()))
    return Drag(np.array(steps), np.array(references), rest)


def reslicer(session: Session) -> Callable[[], object]:
    """SimpleITK's linear resampling of the shown volume on 512² points of the US plane."""
    volume = session.volume
    assert volume is not None
    image = sitk.GetImageFromArray(volume.array)
    along = volume.index_to_lps[:3, [2, 1, 0]]
    spacing = np.linalg.norm(along, axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((along / spacing).ravel().tolist())
    image.SetOrigin(volume.index_to_lps[:3, 3].tolist())
    matrix, plane = us_to_mri(POSE), sitk.ResampleImageFilter()
    plane.SetSize((SIDE_PX, SIDE_PX, 1))
    plane.SetOutputSpacing([SPACING_MM, SPACING_MM, 1.0])
    plane.SetOutputDirection(matrix[:3, :3].ravel().tolist())
    plane.SetOutputOrigin((matrix @ [-SPACING_MM * SIDE_PX / 2, 0.0, 0.0, 1.0])[:3].tolist())
    plane.SetInterpolator(sitk.sitkLinear)
    plane.SetOutputPixelType(sitk.sitkFloat32)
    return lambda: sitk.GetArrayFromImage(plane.Execute(image))


_PICTURE = np.random.default_rng(1).integers(0, 255, (SIDE_PX, SIDE_PX, 3), np.uint8)


def bare_paint_ms(canvas: Canvas) -> float:
    """Put another RGB picture of 512² where the canvas shows its own, and paint that alone."""
    image = canvas._image
    shown, place = image.image, image.mapRectToParent(image.boundingRect())

    def put(picture: np.ndarray) -> None:
        image.setImage(picture, autoLevels=False)
        image.setRect(place)

    took = _painted_ms(lambda: put(_PICTURE))
    put(shown)
    QApplication.processEvents()
    return took


def _painted_ms(work: Callable[[], object]) -> float:
    def painted() -> None:
        work()
        QApplication.processEvents()

    return _once_ms(painted)


def _once_ms(work: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start_s)


def _point(values: np.ndarray) -> tuple[float, float, float]:
    return float(values[0]), float(values[1]), float(values[2])
