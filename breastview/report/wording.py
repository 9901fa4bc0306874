"""What a report says, in one language: words for content's codes and numbers, and no layout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from breastview import __version__
from breastview.fusion.reading import Reading
from breastview.fusion.spec import ModelSpec
from breastview.language import Language
from breastview.messages import Message, message
from breastview.records.values import Lesion, clock_label
from breastview.report.content import LesionContent, RegistrationContent, ReportContent
from breastview.report.images import KeyImage


@dataclass(frozen=True)
class Line:
    """A paragraph, and what it is among others."""

    words: str
    role: Literal["body", "head", "big", "flag", "worth", "muted"] = "body"


class Wording:
    """Puts a report's content into words."""

    def __init__(self, content: ReportContent, language: Language) -> None:
        self._content, self._text, self._say = content, language.text, language.say

    def title(self) -> str:
        """What it is."""
        return self._text("Breast ultrasound and MRI report")

    def flags(self) -> list[str]:
        """What no reader may miss: that patient or model are not real."""
        content, text = self._content, self._text
        flags = [text("SIMULATED PATIENT: not a real examination")] if content.simulated else []
        if content.spec is not None and content.spec.demonstration:
            flags.append(text("DEMONSTRATION model: no clinical evidence"))
        return flags

    def name(self) -> str:
        """Whose report it is."""
        return self._content.patient.readable_name or self._text("unknown")

    def who_and_when(self) -> list[list[str]]:
        """Rows of label, value, label, value: the patient and the examinations."""
        content, text = self._content, self._text
        patient, unknown = content.patient, text("unknown")
        born = f"{patient.birth_date:%Y-%m-%d}" if patient.birth_date else unknown
        if patient.age_y is not None:
            born += f" ({patient.age_y} {text('y')})"
        sexes = {"F": text("female"), "M": text("male")}
        us = self._date(content.has_us, ", ".join(map(str, content.us_dates)))
        mri = self._date(content.has_mri, content.mri_date)
        return [
            [text("Name"), self.name(), text("Patient ID"), patient.patient_id or unknown],
            [text("Born"), born, text("Sex"), sexes.get(patient.sex, patient.sex) or unknown],
            [text("Ultrasound"), us, "MRI", mri],
        ]

    def _date(self, there: bool, date: object) -> str:
        if not there:
            return self._text("none in this folder")
        return str(date) if date else self._text("date unknown")

    def no_lesion(self) -> Line:
        """That none was marked."""
        return Line(self._text("No lesion was marked."), "head")

    def lesion(self, item: LesionContent) -> Line:
        """Which lesion: its name, side and clock face."""
        text, lesion = self._text, item.lesion
        sides = {"R": text("Right"), "L": text("Left")}
        words = [lesion.lesion_id, sides[lesion.side] if lesion.side else text("side not confirmed")]
        if lesion.clock_h:
            words.append(text("{clock} o'clock").format(clock=clock_label(lesion.clock_h)))
        return Line(" · ".join(words), "head")

    def facts(self, item: LesionContent) -> list[tuple[str, str]]:
        """What is known of a lesion, a label and a value each; unknown ones are left out."""
        text, lesion = self._text, item.lesion
        place = []
        if lesion.nipple_distance_mm is not None:
            place.append(text("{mm:.0f} mm from nipple").format(mm=lesion.nipple_distance_mm))
        if lesion.depth_mm is not None:
            place.append(text("{mm:.0f} mm deep").format(mm=lesion.depth_mm))
        facts = [
            (text("Size on ultrasound"), self._us_size(item)),
            (text("Size in the MRI"), self._mri_size(lesion)),
            (text("Place"), ", ".join(place)),
            ("BI-RADS", self._assessment(lesion)),
            (text("Comment"), lesion.comment),
            (text("Registration"), self._registration(item)),
        ]
        if item.mri_side and lesion.side and item.mri_side != lesion.side:
            facts.append(("⚠", text("The MRI mark lies on the other side.")))
        facts += [("⚠", self._say(each)) for each in item.of_views]
        return [(label, value) for label, value in facts if value]

    def _us_size(self, item: LesionContent) -> str:
        if item.lesion.us is None:
            return self._text("not marked")
        sizes = (item.size_mm, item.second_size_mm)
        if sizes == (None, None) or (item.size_mm is None and item.lesion.second_us is None):
            return self._text("not measured: the image has no scale")
        first, second = (
            f"{size[0]:.0f} × {size[1]:.0f} mm" if size else self._text("not measured") for size in sizes
        )
        if item.lesion.second_us is None:
            return first
        return self._text("first view {first}, second view {second}").format(first=first, second=second)

    def _mri_size(self, lesion: Lesion) -> str:
        if lesion.mri is None:
            return self._text("not marked")
        if lesion.mri.extent_mm is None:
            return self._text("not measured")
        measured = [f"{mm:.0f}" for mm in lesion.mri.extent_mm if round(mm)]  # one slice tells two sizes
        return " × ".join(measured) + " mm"

    def _assessment(self, lesion: Lesion) -> str:
        """The reader's category; where it changed after the model spoke, the first one too."""
        if lesion.bi_rads is None:
            return self._text("not assessed")
        if lesion.first_bi_rads in (None, lesion.bi_rads):
            return str(lesion.bi_rads)
        told = self._text("{now} (first read: {first})")
        return told.format(now=lesion.bi_rads, first=lesion.first_bi_rads)

    def _registration(self, item: LesionContent) -> str:
        """Whether US and MRI are registered and what that is worth; of two US views, that of the first."""
        if item.registration is None:
            return self._text("ultrasound and MRI are not registered")
        told = self._registered(item.registration)
        return told if item.lesion.second_us is None else f"{self._text('first view')}: {told}"

    def _registered(self, item: RegistrationContent) -> str:
        text = self._text
        words = [self._say(Message(f"grade.{item.grade}")), self._say(Message(f"method.{item.method}"))]
        if item.contours and item.rms_mm is not None:
            told = text("points {pairs}, lines and surfaces {contours}, residual {rms:.1f} mm rms")
            words.append(told.format(pairs=item.pairs, contours=item.contours, rms=item.rms_mm))
        elif item.rms_mm is not None:
            words.append(self._say(message("registration.pairs_fit", count=item.pairs, rms=item.rms_mm)))
        if item.left_out_mm is not None:
            words.append(text("leave-one-out error up to {mm:.1f} mm").format(mm=item.left_out_mm))
        if item.marks_apart_mm is not None:
            words.append(text("marks {mm:.0f} mm apart").format(mm=item.marks_apart_mm))
        if item.scale != 1.0:
            words.append(text("scale {scale:.2f}").format(scale=item.scale))
        return ". ".join(filter(None, ["; ".join(words), " ".join(self._say(note) for note in item.notes)]))

    def caption(self, image: KeyImage) -> str:
        """What an image shows."""
        text = self._text
        views = (text("Ultrasound"), text("Ultrasound, first view"), text("Ultrasound, second view"))
        plane = text("in the plane of the first view") if image.us_view else text("in the US plane")
        base = {
            "us": views[image.us_view],
            "mri_plane": f"{image.volume}, {plane}",
            "mri_slice": f"{image.volume}, {text('acquired slice')}",
            "mri_crop": f"{image.volume}, {text('acquired plane through the MRI mark')}",
        }[image.kind]
        if not image.heat:
            return base
        told = text("hardly any model attention for malignancy") if image.blank else ""
        return f"{base}: {told or text('model attention, not lesion outline')}"

    def verdict(self, item: LesionContent | None) -> list[Line]:
        """What the model said, or that it said nothing."""
        text, reading = self._text, item.reading if item else None
        head = Line(text("Model reading"), "head")
        if self._content.spec is None:
            return [head, Line(text("No model was used."))]
        if item is None or reading is None:
            return [head, Line(text("The model was not run."))]
        if reading.weight_us is None and reading.weight_mri is None:
            return [head, Line(text("No reading: the case is outside what the model may read."))]
        lines = [head]
        if reading.research_override:
            lines.append(Line(text("RESEARCH OVERRIDE: outside the model's scope."), "flag"))
        return [*lines, *self._numbers(reading), *self._views(reading, item)]

    def _numbers(self, reading: Reading) -> list[Line]:
        text = self._text
        if reading.us_only and reading.probability_us is not None:
            told = text("Probability of malignancy (ultrasound alone): {p:.2f}")
            return [Line(told.format(p=reading.probability_us), "big")]
        lines = []
        if reading.probability is not None:
            told = text("Probability of malignancy (fused): {p:.2f}").format(p=reading.probability)
            lines.append(Line(told, "big"))
        alone = text("{modality} alone {p:.2f}, weight {w:.2f}")
        for name, p, w in (
            (text("Ultrasound"), reading.probability_us, reading.weight_us),
            ("MRI", reading.probability_mri, reading.weight_mri),
        ):
            if p is not None:
                lines.append(Line(alone.format(modality=name, p=p, w=w or 0.0)))
        return lines

    def _views(self, reading: Reading, item: LesionContent) -> list[Line]:
        """In how many US views the lesion was read."""
        text = self._text
        if reading.weight_us is None:
            return []
        if reading.views > 1:
            return [Line(text("Read in 2 ultrasound views."))]
        if item.lesion.second_us is not None:
            return [Line(text("Only the first of 2 ultrasound views was read."), "muted")]
        return [Line(text("Read in 1 ultrasound view."))]

    def grounds(self, item: LesionContent) -> list[Line]:
        """Every reason against the reading, what to look at first, and what the model is worth."""
        spec, reading = self._content.spec, item.reading
        if spec is None or reading is None:
            return []
        head = [Line(self._text("No fused probability:"))] if reading.us_only else []
        reasons = [Line("– " + self._say(reason)) for reason in reading.eligibility.reasons]
        cautions = [Line("⚠ " + self._say(caution)) for caution in reading.cautions]
        return [*head, *reasons, *cautions, Line(self._worth(spec, reading), "worth")]

    def _worth(self, spec: ModelSpec, reading: Reading) -> str:
        text, (scope, figures) = self._text, reading.worth(spec)
        words = [f"{spec.name} ({spec.weights_sha256[:12]})"]
        if scope.min_age_y is not None:
            words.append(text("scope: from the age of {age}").format(age=scope.min_age_y))
        words.append(self._say(scope.told))
        if scope.research_only:
            words.append(self._say(message("scope.research_only")))
        auc, ece = figures.get("auc"), figures.get("ece")
        if auc is not None:
            words.append(f"AUC {auc.value:.2f} ({auc.low:.2f}–{auc.high:.2f}), n = {auc.n}")
        if ece is not None:
            words.append(text("calibration error {ece:.2f}").format(ece=ece.value))
        if reading.device:
            words.append(reading.device)
        return " · ".join(words)

    def notes(self) -> list[Line]:
        """What there is to know about the images, under a heading; nothing where there is none."""
        content, text = self._content, self._text
        names = {"": "", "US": text("Ultrasound") + ": "}
        told = [names.get(note.image, f"{note.image}: ") + self._say(note.told) for note in content.notes]
        if content.problem_count:
            told.append(self._say(message("case.problem_files", count=content.problem_count)))
        return [Line(text("Notes"), "head"), *(Line("– " + words) for words in told)] if told else []

    def foot(self) -> str:
        """Version, time of printing, and what the report is not."""
        printed = f"{self._content.printed:%Y-%m-%d %H:%M}"
        return f"BreastView {__version__} · {printed} · {self._text('Not cleared for diagnosis.')}"
