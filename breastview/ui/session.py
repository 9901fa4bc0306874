"""What the window is open on: the review and the images that are loaded. Views listen to its signals."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from breastview.errors import BreastViewError, Cancelled, RecordError
from breastview.fusion.reading import Reading, keep, restored
from breastview.imaging.case import Role, ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import SUBTRACTION, phases, subtraction
from breastview.imaging.load import load_frames, load_middle_slice
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import FrameStack, Volume
from breastview.jobs.tasks import Tasks, Ticket
from breastview.messages import Message
from breastview.progress import Progress
from breastview.records.autosave import Autosaver
from breastview.records.store import RecordStore
from breastview.records.values import Lesion, ReviewRecord
from breastview.registration.motion import load_corrected
from breastview.registration.parameters import PhaseMotion, RegistrationParameters
from breastview.registration.plane import UsPlane, known_plane
from breastview.registration.skin import Body, find_body, side_of
from breastview.review.actions import Action, KeepReading
from breastview.review.history import Review
from breastview.review.state import Part, ReviewState, open_state

LOADED_ROLES = (Role.T1WI, Role.T2WI, Role.DWI, Role.ADC, Role.STIR)  # at once; others when they are hung
OF_ONE_CASE = (
    "preview",
    "frames",
    "volumes",
    "volume",
    "thumbnails",
    "subtraction",
    "motion",
    "moved volumes",
    "body",
    "model",
    "report",
    "snap",
    "registration file",
)
Item = TypeVar("Item")
Loaded = TypeVar("Loaded")


class Session(QObject):
    """One open case. Everything that changes the review goes through `dispatch`."""

    scanning = Signal()
    previewed = Signal()  # the first US image is here while the scan still runs
    thumbnail = Signal(str, object)  # key, uint8 picture of a volume that is not loaded
    opened = Signal()
    loaded = Signal(str)  # key of a volume or US image whose pixels are here
    changed = Signal(frozenset)
    moved = Signal()  # a further step of the stroke in hand: `changed` tells of its first one and of its end
    failed = Signal(object)  # Message
    saved = Signal()
    reported = Signal(Path)  # the report is written
    progressed = Signal(str, object, object)  # kind, fraction, Message; no Message: that work has ended
    glanced = Signal(str)  # the name of the pose that is shown for a moment; empty: its own again
    exchanged = Signal(tuple)  # Messages: what a registration file was, or became

    def __init__(self, tasks: Tasks, store: RecordStore, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.tasks = tasks
        self.review: Review | None = None
        self.volumes: dict[str, Volume] = {}
        self._motions: tuple[PhaseMotion, ...] = ()  # that the volumes are loaded without
        self.stacks: dict[str, FrameStack] = {}
        self.preview: FrameStack | None = None
        self.body: Body | None = None
        self.us_key: str | None = None
        self.us_frame = 0
        self.mri_key: str | None = None
        self.readings: dict[str, Reading] = {}
        self.device = ""  # what the model runs on, once it is warm
        self._told: frozenset[Part] = frozenset()  # what the stroke in hand has changed
        self._glance: RegistrationParameters | None = None
        self._store = store
        self._autosaver = Autosaver(
            store, lambda: post(self.saved.emit), lambda error: post(lambda: self.failed.emit(error.message))
        )
        self._post = post

    @property
    def state(self) -> ReviewState:
        """The open review's state; raises RuntimeError when nothing is open."""
        if self.review is None:
            raise RuntimeError("no case is open")
        return self.review.state

    @property
    def case(self) -> ScannedCase | None:
        """The open case, or None."""
        return self.review.state.case if self.review else None

    def open_folder(self, folder: Path, record: ReviewRecord | None = None) -> None:
        """Scan a folder in the background; the present case stays until the new one stands."""
        self.tasks.cancel("preview")
        self.preview = None
        self.scanning.emit()

        def found(frames: ScannedFrames) -> None:
            self._post(lambda: self._preview(scan, frames))

        def work(progress: Progress) -> ScannedCase:
            return scan_folder(folder, progress, found)

        scan = self.tasks.start("scan", work, lambda case: self._open(case, record))

    def cancel_scan(self) -> None:
        """Leave the folder that is being scanned; what was seen of it goes."""
        for kind in ("scan", "preview"):
            self.tasks.cancel(kind)
        self.preview = None
        self.previewed.emit()

    def _preview(self, scan: Ticket, frames: ScannedFrames) -> None:
        """Load the first US image that the scan found, to be seen before the last file is read."""
        if scan.cancelled.is_set() or self.review is not None or self.preview is not None:
            return
        if not self.tasks.is_running("preview"):
            self.tasks.start("preview", lambda progress: load_frames(frames, progress), self._take_preview)

    def _take_preview(self, stack: FrameStack) -> None:
        if self.review is None:
            self.preview = stack
            self.previewed.emit()

    def _open(self, case: ScannedCase, record: ReviewRecord | None) -> None:
        self._autosaver.flush()
        if record is None:
            try:
                record = self._store.load(case.fingerprint)
            except RecordError as error:
                self.failed.emit(error.message)
        for kind in OF_ONE_CASE:
            self.tasks.cancel(kind)
        self.volumes, self.stacks, self.body, self.readings, self.preview = {}, {}, None, {}, None
        self.review = Review(open_state(case, record))
        self._told = frozenset()
        self.glance(None)
        self._motions = self.state.record.motions
        self._follow_readings()
        self.us_key = self._first_us()
        self.us_frame = 0
        self.mri_key = self._first_mri()
        self.opened.emit()
        self._load_images()

    def _first_us(self) -> str | None:
        lesion = self.lesion
        if lesion and lesion.us:
            return lesion.us.frames_key
        return self.state.case.frames[0].key if self.state.case.frames else None

    def _first_mri(self) -> str | None:
        if len(phases(self.state.case.volumes)) >= 2:
            return SUBTRACTION
        order = ("dce", "t2wi", "t1wi", "stir", "dwi", "other")
        ranked = [v for role in order for v in self.state.case.volumes if v.role.role == role]
        return ranked[0].key if ranked else None

    def _load_images(self) -> None:
        """Load US, then what is hung first, then the rest, each shown as soon as it is there."""
        case = self.state.case
        first = list(phases(case.volumes)[:2]) if self.mri_key == SUBTRACTION else []
        first += [v for v in case.volumes if v.key == self.mri_key]
        rest = [v for v in case.volumes if v not in first and v.role.role in LOADED_ROLES]
        later = [v for v in case.volumes if v not in first and v not in rest]
        take_stack = partial(self._take_stack, case)
        self.tasks.start("frames", partial(self._load_each, case.frames, load_frames, take_stack), _ignore)
        self._load_volumes("volumes", first + rest)
        self.tasks.start("thumbnails", partial(self._make_thumbnails, later), _ignore)

    def _load_volumes(self, kind: str, items: Iterable[ScannedVolume]) -> None:
        """Load volumes without the motion that the record keeps of them."""
        take = partial(self._take_volume, self.state.case, self._motions)
        load = partial(load_corrected, self._motions)
        self.tasks.start(kind, partial(self._load_each, items, load, take), _ignore)

    def _load_each(
        self,
        items: Iterable[Item],
        load: Callable[[Item, Progress], Loaded],
        take: Callable[[Loaded], None],
        progress: Progress,
    ) -> None:
        """In a thread: load one after the other; what cannot be loaded is told and stops nothing."""
        for item in items:
            try:
                loaded = load(item, progress)
            except Cancelled:
                raise
            except BreastViewError as error:
                self._post(partial(self.failed.emit, error.message))
            else:
                self._post(partial(take, loaded))

    def _make_thumbnails(self, volumes: Iterable[ScannedVolume], progress: Progress) -> None:
        """In a thread: one slice of each volume that is not loaded."""
        for volume in volumes:
            picture = load_middle_slice(volume)
            if picture is not None:
                self._post(partial(self.thumbnail.emit, volume.key, picture))

    def _take_stack(self, case: ScannedCase, stack: FrameStack) -> None:
        if self.case is not None and self.case.fingerprint == case.fingerprint:
            self.stacks[stack.key] = stack
            self.loaded.emit(stack.key)

    def _take_volume(self, case: ScannedCase, motions: tuple[PhaseMotion, ...], volume: Volume) -> None:
        if self.case is None or self.case.fingerprint != case.fingerprint:
            return
        if _motion_of(motions, volume.key) != _motion_of(self._motions, volume.key):
            return  # its motion was found or dropped meanwhile: it is on its way again
        self.volumes[volume.key] = volume
        self.loaded.emit(volume.key)
        dce = phases(self.case.volumes)
        if (
            len(dce) >= 2
            and SUBTRACTION not in self.volumes
            and {v.key for v in dce[:2]} <= set(self.volumes)
        ):
            pre, post = (self.volumes[v.key] for v in dce[:2])
            self.tasks.start(
                "subtraction",
                lambda progress: subtraction(post, pre),
                lambda v: self._take_subtraction(case, v),
            )
        known = self.body is not None or self.tasks.is_running("body")
        if not known and volume.role.role in ("dce", "t1wi", "t2wi"):
            self.tasks.start("body", lambda progress: find_body(volume), self._take_body)

    def _take_subtraction(self, case: ScannedCase, volume: Volume) -> None:
        if self.case is not None and self.case.fingerprint == case.fingerprint:
            self.volumes[SUBTRACTION] = volume
            self.loaded.emit(SUBTRACTION)

    def _take_body(self, body: Body) -> None:
        self.body = body
        self.changed.emit(frozenset({Part.LESIONS}))

    def show_us(self, key: str, frame: int = 0) -> None:
        """Hang another US image or frame."""
        self.glance(None)
        self.us_key, self.us_frame = key, frame
        self.changed.emit(frozenset({Part.SELECTION, Part.REGISTRATION}))

    def show_mri(self, key: str) -> None:
        """Hang another MRI volume, loading it when it is not here yet."""
        self.mri_key = key
        if key not in self.volumes and self.case is not None and key != SUBTRACTION:
            self._load_volumes("volume", [self.case.volume(key)])
        self.changed.emit(frozenset({Part.SELECTION}))

    def dispatch(self, action: Action) -> bool:
        """Change the review; False (and a sentence shown) when the state refuses. Saved within a second."""
        if self.review is None:
            return False
        readings = self.state.record.readings
        try:
            parts = self.review.dispatch(action)
        except BreastViewError as error:
            self.failed.emit(error.message)
            return False
        if self.moving and parts <= self._told and self.state.record.readings == readings:
            self._autosaver.changed(self.state.record)
            self.moved.emit()
        else:
            self._told |= parts if self.review.in_hand else frozenset()
            self._announce(parts)
        return True

    @property
    def moving(self) -> bool:
        """Whether the stroke in hand has changed anything yet: a view may be coarse until it ends."""
        return bool(self._told)

    def begin(self) -> None:
        """Start a stroke: one drag is one step."""
        if self.review:
            self.commit()
            self.review.begin()

    def commit(self) -> None:
        """End the stroke, and tell everybody where it has led."""
        if self.review:
            self.review.commit()
            told, self._told = self._told, frozenset()
            self._announce(told)

    def abort(self) -> None:
        """Take the stroke back."""
        if self.review:
            told, self._told = self._told, frozenset()
            self._announce(told | self.review.abort())

    def undo(self) -> None:
        """Take one step back."""
        if self.review:
            self._announce(self.review.undo())

    def redo(self) -> None:
        """Take one step forward again."""
        if self.review:
            self._announce(self.review.redo())

    def _announce(self, parts: frozenset[Part]) -> None:
        if not parts:
            return
        self.glance(None)
        self._follow_motions()
        self._follow_readings()
        self._autosaver.changed(self.state.record)
        self.changed.emit(parts)

    def _follow_readings(self) -> None:
        """Hold exactly the readings that the record keeps; those computed just now have their heatmaps."""
        known = self.readings
        self.readings = {}
        for kept in self.state.record.readings:
            own = known.get(kept.lesion_id)
            same = own is not None and own.input_sha256 == kept.input_sha256
            self.readings[kept.lesion_id] = own if own is not None and same else restored(kept)

    def _follow_motions(self) -> None:
        """Let go of the phases whose motion was found or dropped, and load them as they lie now.

        Nothing can be computed from the former ones in the meantime.
        """
        before, self._motions = self._motions, self.state.record.motions
        case = self.state.case
        hung = {*self.volumes, self.mri_key, *(volume.key for volume in phases(case.volumes)[:2])}
        changed = [
            volume
            for volume in case.volumes
            if volume.key in hung and _motion_of(before, volume.key) != _motion_of(self._motions, volume.key)
        ]
        if changed:
            self.tasks.cancel("subtraction")
            for key in (SUBTRACTION, *(volume.key for volume in changed)):
                self.volumes.pop(key, None)
            self._load_volumes("moved volumes", changed)

    def glance(self, pose: RegistrationParameters | None, name: str = "") -> None:
        """Let the panes show the hung frame in another pose for a moment, None: in its own again.

        The review stays as it is; whatever changes it ends the moment.
        """
        if pose is not self._glance:
            self._glance = pose
            self.glanced.emit(name if pose is not None else "")

    def take_reading(self, reading: Reading) -> None:
        """Keep the model's answer; a stale one is dropped with a sentence."""
        self.readings[reading.lesion_id] = reading
        if not self.dispatch(KeepReading(keep(reading))):
            self._follow_readings()
            self.changed.emit(frozenset({Part.READING}))

    def take_device(self, device: str) -> None:
        """Know what the model runs on."""
        self.device = device
        self.changed.emit(frozenset({Part.READING}))

    @property
    def lesion(self) -> Lesion | None:
        """The chosen lesion."""
        if self.review is None or self.state.lesion_id is None:
            return None
        return self.state.record.lesion(self.state.lesion_id)

    @property
    def stack(self) -> FrameStack | None:
        """The hung US image, once loaded."""
        return self.stacks.get(self.us_key or "")

    @property
    def volume(self) -> Volume | None:
        """The hung MRI volume, once loaded."""
        return self.volumes.get(self.mri_key or "")

    @property
    def plane(self) -> UsPlane | None:
        """Millimetres of the hung US image, or None while it has no scale."""
        return self.plane_of(self.us_key) if self.us_key else None

    def plane_of(self, key: str) -> UsPlane | None:
        """Millimetres of a US image, or None while it is not loaded or has no scale."""
        stack = self.stacks.get(key)
        return known_plane(stack, self.state.record.calibrated_mm(key)) if stack else None

    @property
    def registration(self) -> RegistrationParameters | None:
        """The registration of the hung US frame, or None."""
        if self.review is None or self.us_key is None:
            return None
        return self.state.record.registration(self.us_key, self.us_frame)

    @property
    def registered(self) -> tuple[RegistrationParameters, UsPlane] | None:
        """The pose that the hung US frame is shown in with its plane, once both are there."""
        if self.review is None or self.stack is None:
            return None
        parameters, plane = self._glance or self.registration, self.plane
        return (parameters, plane) if parameters is not None and plane is not None else None

    def mri_side(self, lesion: Lesion) -> str | None:
        """The side of a lesion's MRI mark by the body's midline: "R", "L", or None."""
        if lesion.mri is None or self.body is None:
            return None
        return side_of(lesion.mri.point_mm, self.body)

    def tell(self, told: Message) -> None:
        """Show a sentence where errors are shown."""
        self.failed.emit(told)

    def close(self) -> None:
        """Save what waits and end the background work."""
        self.tasks.close()
        self._autosaver.close()


def _ignore(answer: object) -> None:
    """What the work had to say was said on its way."""


def _motion_of(motions: Iterable[PhaseMotion], key: str) -> PhaseMotion | None:
    """The motion that a volume is corrected for; None where it lies as it was acquired."""
    return next((m for m in motions if m.volume_key == key and m.reason is None), None)
