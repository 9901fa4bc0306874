"""The open case's images: loaded in the background, each shown as soon as it is there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from PySide6.QtCore import QObject, Signal

from breastview.errors import BreastViewError, Cancelled
from breastview.imaging.case import Role, ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import SUBTRACTION, of_one_exam, of_one_space, subtracted, subtraction
from breastview.imaging.load import load_frames, load_middle_slice
from breastview.imaging.volume import FrameStack, Volume
from breastview.jobs.tasks import Tasks
from breastview.messages import Message
from breastview.progress import Progress
from breastview.registration.motion import load_corrected
from breastview.registration.parameters import PhaseMotion
from breastview.registration.skin import Body, find_body

LOADED_ROLES = (Role.T1WI, Role.T2WI, Role.DWI, Role.ADC, Role.STIR)  # at once; others when they are hung
BODY_ROLES = (Role.DCE, Role.T1WI, Role.T2WI)  # in which the body is found
LOADING = (
    "frames",
    "volumes",
    "volume",
    "phases",
    "thumbnails",
    "subtraction",
    "moved volumes",
    "body",
)  # kinds of tasks
Item = TypeVar("Item", ScannedFrames, ScannedVolume)
Loaded = TypeVar("Loaded", FrameStack, Volume)


class Images(QObject):
    """What is loaded of one case, by key; another case begins with nothing."""

    loaded = Signal(str)  # key of a volume or US image whose pixels are here
    thumbnail = Signal(str, object)  # key, uint8 picture of a volume that is not loaded
    body_found = Signal()
    missed = Signal(str)  # key of a volume or US image that could not be read: why was told
    not_subtracted = Signal()  # the phases that would be are not here, or do not fit together
    failed = Signal(object)  # Message

    def __init__(self, tasks: Tasks, post: Callable[[Callable[[], None]], None]) -> None:
        super().__init__()
        self.stacks: dict[str, FrameStack] = {}
        self.volumes: dict[str, Volume] = {}
        self.unread: set[str] = set()  # keys of what could not be read
        self.body: Body | None = None
        self._case: ScannedCase | None = None
        self._motions: tuple[PhaseMotion, ...] = ()  # that the volumes are loaded without
        self._tasks, self._post = tasks, post

    def clear(self) -> None:
        """Let go of a case, and of what is on its way."""
        for kind in LOADING:
            self._tasks.cancel(kind)
        self.stacks, self.volumes, self.body, self._case = {}, {}, None, None
        self.unread = set()

    def open(self, case: ScannedCase, motions: tuple[PhaseMotion, ...], hung: str | None) -> None:
        """Load US, then the volume that is `hung` first, then the rest, each shown as soon as it is there."""
        self._case, self._motions = case, motions
        first = subtracted(case.volumes) if hung == SUBTRACTION else []
        first += [v for v in case.volumes if v.key == hung]
        exam = of_one_exam(case.volumes)
        rest = [v for v in exam if v not in first and v.role.role in LOADED_ROLES]
        later = [v for v in case.volumes if v not in first and v not in rest]
        load_stacks = partial(
            self._load_each, case, case.frames, load_frames, partial(self._take_stack, case)
        )
        self._tasks.start("frames", load_stacks, _ignore)
        self._load_volumes("volumes", case, first + rest)
        self._tasks.start("thumbnails", partial(self._make_thumbnails, later), _ignore)

    def want(self, key: str) -> None:
        """Load a volume of the case that is not here yet."""
        if key in self.volumes or self._case is None:
            return
        self.unread.discard(key)
        if key == SUBTRACTION:
            self._subtract(self._case)
        else:
            self._load_volumes("volume", self._case, [self._case.volume(key)])

    def follow(self, case: ScannedCase, motions: tuple[PhaseMotion, ...], hung: str | None) -> None:
        """Let go of the phases whose motion was found or dropped, and load them as they lie now; of the
        subtraction too where it would be of other phases.

        `case` is the open one, with the roles that the reader gives. Nothing can be computed from the former
        phases in the meantime.
        """
        before, pair = self._motions, _pair(self._case)
        self._case, self._motions = case, motions
        wanted = {*self.volumes, hung, *_pair(case)}
        changed = [
            volume
            for volume in case.volumes
            if volume.key in wanted and _motion_of(before, volume.key) != _motion_of(motions, volume.key)
        ]
        if changed or _pair(case) != pair:
            self._tasks.cancel("subtraction")
            for key in (SUBTRACTION, *(volume.key for volume in changed)):
                self.volumes.pop(key, None)
        if changed:
            self._load_volumes("moved volumes", case, changed)
        if _pair(case) != pair:
            missing = [v for v in subtracted(case.volumes) if v.key not in self.volumes and v not in changed]
            if missing:
                self._load_volumes("phases", case, missing)
            self._subtract(case)

    def _load_volumes(self, kind: str, case: ScannedCase, items: Iterable[ScannedVolume]) -> None:
        """Load volumes without the motion that the record keeps of them."""
        take = partial(self._take_volume, case, self._motions)
        load = partial(load_corrected, self._motions)
        self._tasks.start(kind, partial(self._load_each, case, items, load, take), _ignore)

    def _load_each(
        self,
        case: ScannedCase,
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
                self._post(partial(self._miss, case, item.key, error.message))
            else:
                self._post(partial(take, loaded))

    def _make_thumbnails(self, volumes: Iterable[ScannedVolume], progress: Progress) -> None:
        """In a thread: one slice of each volume that is not loaded."""
        for volume in volumes:
            picture = load_middle_slice(volume)
            if picture is not None:
                self._post(partial(self.thumbnail.emit, volume.key, picture))

    def _is_open(self, case: ScannedCase) -> bool:
        return self._case is not None and self._case.fingerprint == case.fingerprint

    def _miss(self, case: ScannedCase, key: str, why: Message) -> None:
        self.failed.emit(why)
        if self._is_open(case):
            self.unread.add(key)
            self.missed.emit(key)
            if key in _pair(self._case) and SUBTRACTION not in self.volumes:
                self.not_subtracted.emit()

    def _take_stack(self, case: ScannedCase, stack: FrameStack) -> None:
        if self._is_open(case):
            self.stacks[stack.key] = stack
            self.loaded.emit(stack.key)

    def _take_volume(self, case: ScannedCase, motions: Sequence[PhaseMotion], volume: Volume) -> None:
        if not self._is_open(case) or self._case is None:
            return
        if _motion_of(motions, volume.key) != _motion_of(self._motions, volume.key):
            return  # its motion was found or dropped meanwhile: it is on its way again
        self.volumes[volume.key] = volume
        self.loaded.emit(volume.key)
        if volume.key in _pair(self._case):
            self._subtract(self._case)
        known = self.body is not None or self._tasks.is_running("body")
        read = {each.key for each in of_one_space(self._case.volumes)}
        if not known and volume.key in read and volume.role.role in BODY_ROLES and volume.has_depth:
            self._tasks.start("body", lambda progress: find_body(volume), self._take_body)

    def _subtract(self, case: ScannedCase) -> None:
        """Compute the subtraction once both phases are here."""
        dce = _pair(case)
        if len(dce) < 2 or SUBTRACTION in self.volumes or not set(dce) <= set(self.volumes):
            return
        pre, post = (self.volumes[key] for key in dce)
        self._tasks.start(
            "subtraction",
            lambda progress: subtraction(post, pre),
            lambda volume: self._take_subtraction(case, volume),
            self._miss_subtraction,
        )

    def _miss_subtraction(self, why: Message) -> None:
        self.failed.emit(why)
        self.not_subtracted.emit()

    def _take_subtraction(self, case: ScannedCase, volume: Volume) -> None:
        if self._is_open(case):
            self.volumes[SUBTRACTION] = volume
            self.loaded.emit(SUBTRACTION)

    def _take_body(self, body: Body) -> None:
        self.body = body
        self.body_found.emit()


def _pair(case: ScannedCase | None) -> list[str]:
    """Keys of the phases that are subtracted, the first one before contrast medium."""
    return [volume.key for volume in subtracted(case.volumes)] if case is not None else []


def _ignore(answer: object) -> None:
    """What the work had to say was said on its way."""


def _motion_of(motions: Iterable[PhaseMotion], key: str) -> PhaseMotion | None:
    """The motion that a volume is corrected for; None where it lies as it was acquired."""
    return next((m for m in motions if m.volume_key == key and m.reason is None), None)
