"""A case with its pixels: what the model and the report look at, loaded once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from breastview.errors import BreastViewError, Cancelled, CaseGone
from breastview.fusion.assemble import channel_volumes
from breastview.imaging.case import ScannedCase, ScannedFrames, ScannedVolume
from breastview.imaging.dynamic import SUBTRACTION, of_one_space, subtracted, subtraction
from breastview.imaging.load import load_frames
from breastview.imaging.volume import FrameStack, Volume
from breastview.messages import Message
from breastview.progress import Progress, silent
from breastview.records.breast import of_breast
from breastview.records.values import Lesion, ReviewRecord
from breastview.registration.motion import load_corrected
from breastview.registration.parameters import PhaseMotion
from breastview.registration.plane import UsPlane, known_plane
from breastview.registration.skin import Body, find_body

Item = TypeVar("Item", ScannedFrames, ScannedVolume)
Loaded = TypeVar("Loaded", FrameStack, Volume)


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """A case with the pixels that the job needs. `volumes` also holds the computed subtraction; that of
    another breast than the case has chosen follows under its label."""

    case: ScannedCase
    stacks: dict[str, FrameStack]
    volumes: dict[str, Volume]
    body: Body | None
    problems: tuple[Message, ...]

    def planes(self, record: ReviewRecord) -> dict[str, UsPlane]:
        """The planes of the US images that have a scale, their own or the reader's."""
        known = {key: known_plane(stack, record.calibrated_mm(key)) for key, stack in self.stacks.items()}
        return {key: plane for key, plane in known.items() if plane is not None}


def load_case(
    case: ScannedCase,
    progress: Progress = silent,
    stacks: Mapping[str, FrameStack] | None = None,
    volumes: Mapping[str, Volume] | None = None,
    motions: Sequence[PhaseMotion] = (),
    views: Collection[str] | None = None,
    body: Body | None = None,
    lesions: Collection[Lesion] = (),
) -> LoadedCase:
    """Load US and the volumes that model and report look at; what cannot be loaded is told, not fatal.

    Of several DCE acquisitions that which the case has chosen, and those of the breasts of the `lesions`.

    `stacks` and `volumes`, by key, and the `body` are here already and are not loaded again. `motions` are
    taken back. Of US only the `views`, by key, where they are given.

    Raises:
        CaseGone: images that are not here already are no longer in the folder.
    """
    problems: list[Message] = []
    frames = [item for item in case.frames if views is None or item.key in views]
    here = _load_each(frames, stacks or {}, load_frames, progress, problems)
    exams = [case.volumes, *(of_breast(case, lesion).volumes for lesion in lesions)]
    pairs = [subtracted(exam) for exam in exams]
    channels = [channel_volumes(exam).values() for exam in exams]
    wanted = {volume.key: volume for volume in itertools.chain(*channels, *pairs)}
    chosen = tuple(wanted.values()) or of_one_space(case.volumes)[:1]
    found = _load_each(chosen, volumes or {}, partial(load_corrected, motions), progress, problems)
    deep = next((volume for volume in found.values() if volume.has_depth), None)
    body = body or (find_body(deep) if deep is not None else None)
    if volumes and SUBTRACTION in volumes:
        found[SUBTRACTION] = volumes[SUBTRACTION]
    computed = {tuple(volume.key for volume in pair): pair[0].role.label for pair in pairs if pair}
    for number, (keys, label) in enumerate(computed.items()):
        name = f"{SUBTRACTION} {label}" if number else SUBTRACTION
        if name not in found and set(keys) <= set(found):
            pre, post = (found[key] for key in keys)
            try:
                found[name] = subtraction(post, pre)
            except BreastViewError as error:
                problems.append(error.message)
    return LoadedCase(case, here, found, body, tuple(problems))


def _load_each(
    items: Sequence[Item],
    here: Mapping[str, Loaded],
    load: Callable[[Item, Progress], Loaded],
    progress: Progress,
    problems: list[Message],
) -> dict[str, Loaded]:
    loaded: dict[str, Loaded] = {}
    for item in items:
        try:
            loaded[item.key] = here[item.key] if item.key in here else load(item, progress)
        except (Cancelled, CaseGone):
            raise
        except BreastViewError as error:
            problems.append(error.message)
    return loaded
