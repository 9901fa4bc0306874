"""What the window is open on: the review, and what is hung of its images. Views listen to its signals."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, Signal

from breastview.errors import BreastViewError, RecordError
from breastview.fusion.reading import Reading, keep, restored
from breastview.imaging.case import ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import SUBTRACTION, subtracted
from breastview.imaging.load import load_frames
from breastview.imaging.scan import scan_folder
from breastview.imaging.volume import FrameStack, Volume
from breastview.jobs.tasks import Tasks, Ticket
from breastview.messages import Message, message
from breastview.progress import Progress
from breastview.records.autosave import Autosaver
from breastview.records.concordance import outline_on
from breastview.records.store import RecordStore
from breastview.records.values import Lesion, ReviewRecord, new_record
from breastview.registration.outline import Outline
from breastview.registration.parameters import RegistrationParameters
from breastview.registration.plane import UsPlane, known_plane
from breastview.registration.skin import Body
from breastview.review.actions import Action, KeepReading
from breastview.review.history import Review
from breastview.review.state import Part, ReviewState, carried_over, open_state
from breastview.ui import hanging
from breastview.ui.images import Images

OF_ONE_CASE = ("preview", "motion", "model", "snap", "registration file")  # kinds of tasks


class Session(QObject):
    """One open case. Everything that changes the review goes through `dispatch`."""

    scanning = Signal()
    previewed = Signal()  # the first US image is here while the scan still runs
    thumbnail = Signal(str, object)  # key, uint8 picture of a volume that is not loaded
    opened = Signal()
    loaded = Signal(str)  # key of a volume or US image whose pixels are here
    missed = Signal(str)  # key of a volume or US image that could not be read: why was told
    changed = Signal(frozenset)
    moved = Signal()  # a further step of the stroke in hand: `changed` tells of its first one and of its end
    failed = Signal(object)  # Message
    refused = Signal(object)  # Message: why what was asked for just now cannot be
    saved = Signal(bool)  # the review as it is now, or not: why was told
    unsaved = Signal(object)  # what would open another case, whose review would take this one's place
    reported = Signal(Path)  # the report is written
    progressed = Signal(str, object, object)  # kind, fraction, Message; no Message: that work has ended
    glanced = Signal(str)  # the name of the pose that is shown for a moment; empty: its own again
    exchanged = Signal(tuple)  # Messages: what a registration file was, or became

    def __init__(self, tasks: Tasks, store: RecordStore, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.tasks = tasks
        self.review: Review | None = None
        self.images = Images(tasks, post)
        self.images.loaded.connect(self.loaded)
        self.images.missed.connect(self.missed)
        self.images.thumbnail.connect(self.thumbnail)
        self.images.failed.connect(self.failed)
        self.images.not_subtracted.connect(self._hang_phase)
        self.images.body_found.connect(lambda: self.changed.emit(frozenset({Part.BODY})))
        self.preview: FrameStack | None = None
        self.us_key: str | None = None
        self.us_frame = 0
        self.mri_key: str | None = None
        self.readings: dict[str, Reading] = {}
        self.device = ""  # what the model runs on, once it is warm
        self._told: frozenset[Part] = frozenset()  # what the stroke in hand has changed
        self._glance: RegistrationParameters | None = None
        self._store = store
        self._autosaver = Autosaver(
            store,
            lambda: post(partial(self._tell_saved, self.review)),
            lambda error: post(partial(self._not_saved, self.review, error)),
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

    @property
    def stacks(self) -> dict[str, FrameStack]:
        """The US images that are loaded, by key."""
        return self.images.stacks

    @property
    def volumes(self) -> dict[str, Volume]:
        """The volumes that are loaded, by key; the subtraction among them."""
        return self.images.volumes

    @property
    def body(self) -> Body | None:
        """Where the MRI shows the patient, once it is found."""
        return self.images.body

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

    def _tell_saved(self, review: Review | None, is_saved: bool = True) -> None:
        """Say it of the review that it was about; another case may be open."""
        if review is self.review:
            self.saved.emit(is_saved)

    def _not_saved(self, review: Review | None, error: RecordError) -> None:
        self.failed.emit(error.message)
        self._tell_saved(review, False)

    def save(self) -> bool:
        """Whether all that was entered is on disk now."""
        return self._autosaver.flush()

    def _open(self, case: ScannedCase, record: ReviewRecord | None) -> None:
        """Open a case, unless the review of the present one would be lost."""
        if not self.save():
            self.unsaved.emit(partial(self._leave, case, record))
            return
        self._leave(case, record)

    def _leave(self, case: ScannedCase, record: ReviewRecord | None) -> None:
        self._autosaver.forget()
        record = record or self._kept(case)
        for kind in OF_ONE_CASE:
            self.tasks.cancel(kind)
        self.images.clear()
        self.readings, self.preview = {}, None
        self.review = Review(open_state(case, record))
        self._told = frozenset()
        self.glance(None)
        self._follow_readings()
        self.us_key, self.us_frame = hanging.first_us(self.state.case, self.lesion)
        self.mri_key = hanging.first_mri(self.state.case)
        self.opened.emit()
        self.images.open(self.state.case, self.state.record.motions, self.mri_key)

    def _kept(self, case: ScannedCase) -> ReviewRecord | None:
        """The record of a case, or that of its study with other images as far as it holds here."""
        try:
            record = self._store.load(case.fingerprint)
        except RecordError as error:
            self.failed.emit(error.message)
            return None
        former = self._store.of_same_study(new_record(case).case) if record is None else None
        if former is not None:
            record = carried_over(former, case)
            self.failed.emit(message("record.carried" if record else "record.other_images"))
        return record

    def _hang_phase(self) -> None:
        """Hang a volume in the place of a subtraction that cannot be."""
        if self.mri_key == SUBTRACTION and (key := hanging.first_volume(self.state.case)) is not None:
            self.show_mri(key)

    def show_us(self, key: str, frame: int = 0) -> None:
        """Hang another US image or frame."""
        self.glance(None)
        self.us_key, self.us_frame = key, frame
        self.changed.emit(frozenset({Part.SELECTION, Part.REGISTRATION}))

    def show_mri(self, key: str) -> None:
        """Hang another MRI volume, loading it when it is not here yet."""
        self.mri_key = key
        self.images.want(key)
        self.changed.emit(frozenset({Part.SELECTION}))

    def dispatch(self, action: Action) -> bool:
        """Change the review; False (and a sentence shown) when the state refuses. Saved within a second."""
        if self.review is None:
            return False
        readings = self.state.record.readings
        try:
            parts = self.review.dispatch(action)
        except BreastViewError as error:
            self.refused.emit(error.message)
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
        self.images.follow(self.state.case, self.state.record.motions, self.mri_key)
        if not subtracted(self.state.case.volumes):
            self._hang_phase()
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
    def reading(self) -> Reading | None:
        """What the model said of the chosen lesion."""
        lesion = self.lesion
        return self.readings.get(lesion.lesion_id) if lesion else None

    @property
    def stack(self) -> FrameStack | None:
        """The hung US image, once loaded."""
        return self.stacks.get(self.us_key or "")

    @property
    def volume(self) -> Volume | None:
        """The hung MRI volume, once loaded."""
        return self.volumes.get(self.mri_key or "")

    @property
    def other_space(self) -> bool:
        """Whether the hung MRI lies in another space than what is read: nothing kept has a place there."""
        return self.case is not None and hanging.is_of_other_space(self.case, self.mri_key)

    @property
    def other_exam(self) -> ScannedVolume | None:
        """The hung volume where it is of another exam than is read."""
        return hanging.of_other_exam(self.case, self.mri_key) if self.case else None

    @property
    def earlier_us(self) -> ScannedFrames | None:
        """The hung US image where there is ultrasound of a later day."""
        return hanging.of_earlier_us(self.case, self.us_key) if self.case else None

    @property
    def plane(self) -> UsPlane | None:
        """Millimetres of the hung US image, or None while it has no scale."""
        return self.plane_of(self.us_key) if self.us_key else None

    @property
    def outline(self) -> Outline | None:
        """The chosen lesion's mark in mm of the hung US image; None where it is not marked there."""
        plane = self.plane
        return outline_on(self.lesion, self.us_key, self.us_frame, plane) if plane else None

    @property
    def shows_second_view(self) -> bool:
        """Whether the hung US frame is the chosen lesion's second view: the registration is the first's."""
        hung = self.lesion.view_on(self.us_key, self.us_frame) if self.lesion else None
        return self.lesion is not None and hung is not None and hung is self.lesion.second_us

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
    def unpaired(self) -> Message | None:
        """Why nothing can be registered in the open case: it is of one modality; None where it can."""
        if self.case is None or (self.case.frames and self.case.volumes):
            return None
        return message("registration.no_us" if self.case.volumes else "registration.no_mri")

    @property
    def unregistered(self) -> Message | None:
        """Why there is no registration of the hung US frame to work on; None where there is one."""
        if self.registration is not None:
            return None
        return self.unpaired or message("review.no_registration")

    @property
    def registered(self) -> tuple[RegistrationParameters, UsPlane] | None:
        """The pose that the hung US frame is shown in with its plane, once both are there."""
        if self.review is None or self.stack is None:
            return None
        parameters, plane = self._glance or self.registration, self.plane
        return (parameters, plane) if parameters is not None and plane is not None else None

    def is_open(self, case: ScannedCase) -> bool:
        """Whether a case is the open one: work for one that is left goes on, and is told of otherwise."""
        return self.case is not None and self.case.fingerprint == case.fingerprint

    def tell(self, told: Message) -> None:
        """Say why what was asked for cannot be, until something changes."""
        self.refused.emit(told)

    def close(self) -> None:
        """Save what waits and end the background work."""
        self.tasks.close()
        self._autosaver.close()
