"""Correspondences of every kind: their list, their fit, and which one disagrees."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QObject

from breastview.language import Language
from breastview.messages import message
from breastview.registration.adopt import least_area
from breastview.registration.agreement import correspondence_residuals_mm, rms_mm
from breastview.registration.landmarks import fit_landmarks
from breastview.registration.parameters import Contour, ContourKind, LandmarkPair, RegistrationParameters
from breastview.review.registering import (
    FitCorrespondences,
    FitLandmarks,
    RemoveContour,
    RemoveLandmark,
    SetRegistration,
    Weigh,
)
from breastview.ui.expecting import Expecting
from breastview.ui.panes.drafting import SKIN, Drafting
from breastview.ui.rail.numbers import put
from breastview.ui.rail.parts import offer
from breastview.ui.rail.register.panel import ODD, RegisterPanel
from breastview.ui.session import Session

WORSE_MM = 1.0  # by so much more root mean square a fit is told to have made it worse


class CorrespondencesPresenter(QObject):
    """Keeps list and fit in step with the session."""

    def __init__(
        self,
        panel: RegisterPanel,
        session: Session,
        expecting: Expecting,
        drafting: Drafting,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._session = panel, session
        self._expecting, self._drafting, self._language = expecting, drafting, language
        self._before_fit: tuple[RegistrationParameters | None, float | None] = (None, None)
        panel.fit.clicked.connect(self.fit)
        panel.bend.clicked.connect(self._bend)
        panel.straighten.clicked.connect(self._straighten)
        panel.remove.clicked.connect(self._remove)
        panel.place.clicked.connect(self._place)
        panel.weight.valueChanged.connect(self._weigh)
        panel.found.currentCellChanged.connect(self._show_chosen)
        panel.model.currentIndexChanged.connect(lambda: self.show(session.registration))

    def fit(self) -> None:
        """Move the plane to the best fit, as the chosen model has it."""
        key, present = self._session.us_key, self._session.registration
        if key is None or present is None:
            return
        frame, model = self._session.us_frame, self._panel.model.currentData()
        if model != "tissue":
            self._session.dispatch(FitLandmarks(key, frame, model == "scaled"))
        else:
            us_mm = self._expecting.us_mm or present.middle_mm or (0.0, 0.0)
            bend = self._panel.bend.isChecked()
            start, outline = self._expecting.start, self._session.outline
            self._session.dispatch(FitCorrespondences(key, frame, us_mm, start, bend, outline))
        self._before_fit = (self._session.registration, rms_mm(correspondence_residuals_mm(present)))
        self.show(self._session.registration)

    def show(self, present: RegistrationParameters | None) -> None:
        """Show what is there, how it fits, and what may be done with it."""
        panel = self._panel
        residuals = correspondence_residuals_mm(present) if present else ()
        agreement = self._expecting.agreement if len(residuals) else None
        odd = agreement.odd if agreement else None
        found, names = _found(present), self._names(present) if present else []
        counted = [place for place, item in enumerate(found) if not _is_predicted(item)]
        residual_mm, left_out = dict(zip(counted, residuals, strict=True)), self._left_out_mm(present)
        left_out_mm = dict(zip(counted, left_out, strict=False))
        strange = counted[odd] if odd is not None else None
        panel.show_rows(
            [
                self._row(
                    f"{ODD}{names[place]}" if place == strange else names[place],
                    item,
                    residual_mm.get(place),
                    left_out_mm.get(place),
                )
                for place, item in enumerate(found)
            ]
        )
        told = self._language.text("{name} disagrees with the others: {mm:.0f} mm from where they expect it.")
        off = agreement.left_out_mm[odd] if agreement and odd is not None else 0.0
        doubts = [] if strange is None else ["⚠ " + told.format(name=names[strange], mm=off)]
        doubts += self._worse(present, residuals)
        panel.odd.setText("\n".join(doubts))
        panel.odd.setVisible(bool(doubts))
        self._enable(present)
        self._show_chosen()
        self._tell(present, residuals, left_out)

    def _worse(self, present: RegistrationParameters | None, residuals: tuple[float, ...]) -> list[str]:
        """A doubt where this is what the last fit made, and it lies further from what both images show than
        the pose before it did: it gave way to how tissue deforms, or to one that is wrong."""
        fitted, before = self._before_fit
        after = rms_mm(residuals)
        if present != fitted or before is None or after is None or after < before + WORSE_MM:
            return []
        told = self._language.text(
            "The fit leaves them further apart than before: {before:.1f} mm rms, now {after:.1f}. "
            "Look at the one with the largest error, or undo the fit."
        )
        return ["⚠ " + told.format(before=before, after=after)]

    def _row(
        self, name: str, item: LandmarkPair | Contour, residual_mm: float | None, left_out_mm: float | None
    ) -> tuple[str, str, str, str]:
        """A line of the list: a pair whose partner nobody has placed has neither errors nor a weight."""
        if residual_mm is None:
            return name, self._language.text("not placed"), "", ""
        left_out = "–" if left_out_mm is None else f"{left_out_mm:.1f} mm"
        return name, f"{residual_mm:.1f} mm", left_out, f"× {item.weight:.1f}"

    def _left_out_mm(self, present: RegistrationParameters | None) -> tuple[float, ...]:
        """The error at each counted one that the others alone make, as the chosen model fits; of a rigid one,
        at each point. Nothing where they are too few to tell."""
        if present is None or not present.correspondences:
            return ()
        model = self._panel.model.currentData()
        if model == "tissue":
            agreement = self._expecting.agreement
            return agreement.left_out_mm if agreement else ()
        if not present.placed:
            return ()
        return fit_landmarks(present.placed, present, model == "scaled").left_out_mm or ()

    def _names(self, present: RegistrationParameters) -> list[str]:
        text, counts = self._language.text, dict.fromkeys(ContourKind, 0)
        names = [str(number) for number, _ in enumerate(present.landmarks, 1)]
        words = {ContourKind.LINE: text("Line"), ContourKind.SURFACE: text("Surface")}
        for contour in present.contours:
            if contour.name == SKIN:
                names.append(text("Skin"))
                continue
            counts[contour.kind] += 1
            names.append(contour.name or f"{words[contour.kind]} {counts[contour.kind]}")
        return names

    def _enable(self, present: RegistrationParameters | None) -> None:
        panel, text = self._panel, self._language.text
        tissue = panel.model.currentData() == "tissue"
        any_found = bool(present and present.correspondences)
        fits = any_found if tissue else bool(present and present.placed)
        start_first = self._language.say(self._session.unregistered) if self._session.unregistered else ""
        nothing = text("Nothing to fit: no point, line or surface yet.")
        if not tissue:
            nothing = text("Nothing to fit: a rigid fit takes points alone.")
        offer(panel.fit, start_first or ("" if fits else nothing))
        bends = "" if any_found else nothing
        offer(panel.bend, start_first or (bends if tissue else text("A rigid fit does not bend.")))
        warped = bool(present and present.warp)
        offer(panel.straighten, start_first or ("" if warped else text("The plane is not bent.")))
        for tool in (panel.pair, panel.line, panel.surface):
            offer(tool, start_first)
        has_skin = present is not None and any(c.name == SKIN for c in present.contours)
        offer(panel.skin, start_first or (text("The skin is in the list.") if has_skin else ""))

    def _tell(
        self,
        present: RegistrationParameters | None,
        residuals: tuple[float, ...],
        left_out_mm: tuple[float, ...],
    ) -> None:
        text, panel = self._language.text, self._panel
        rms = rms_mm(residuals)
        if present is None:
            unpaired = self._session.unpaired
            start = text("Not registered. Start from the marks or from the clock face.")
            panel.told.setText(self._language.say(unpaired) if unpaired else start)
        elif rms is None:
            panel.told.setText("")
        elif present.contours:
            told = text("points {pairs}, lines and surfaces {contours}, residual {rms:.1f} mm rms")
            pairs, contours = len(present.placed), len(present.contours)
            panel.told.setText(told.format(pairs=pairs, contours=contours, rms=rms))
        else:
            fit = message("registration.pairs_fit", count=len(residuals), rms=rms)
            panel.told.setText(self._language.say(fit))
        if left_out_mm:
            most = text("leave-one-out error up to {mm:.1f} mm").format(mm=max(left_out_mm))
            panel.told.setText(f"{panel.told.text()}\n{most}")
        panel.told.setVisible(bool(panel.told.text()))
        lines = self._notes(present) if present else []
        panel.notes.setText("\n".join(lines))
        panel.notes.setVisible(bool(lines))

    def _notes(self, present: RegistrationParameters) -> list[str]:
        text, model, lines = self._language.text, self._panel.model.currentData(), []
        if present.warp:
            bent = text("Bent: no part of the plane is pressed below {percent} % of its area.")
            lines.append(bent.format(percent=round(100 * least_area(present.warp))))
        if model == "tissue":
            return lines
        if present.placed:
            fit = fit_landmarks(present.placed, present, model == "scaled")
            lines += [self._language.say(note) for note in fit.notes]
        if present.contours:
            lines.append(text("A rigid fit takes the points alone."))
        return lines

    def _show_chosen(self) -> None:
        """Offer what can be done with the chosen one."""
        panel, chosen = self._panel, self._chosen()
        panel.place.setVisible(isinstance(chosen, LandmarkPair))
        if chosen is not None:
            put(panel.weight, chosen.weight)

    def _chosen(self) -> LandmarkPair | Contour | None:
        found, row = _found(self._session.registration), self._panel.found.currentRow()
        return found[row] if 0 <= row < len(found) else None

    def _place(self) -> None:
        chosen = self._chosen()
        if isinstance(chosen, LandmarkPair):
            self._drafting.place_again(chosen)

    def _weigh(self, weight: float) -> None:
        key, row = self._session.us_key, self._panel.found.currentRow()
        if key is not None and row >= 0:
            self._session.dispatch(Weigh(key, self._session.us_frame, row, weight))

    def _remove(self) -> None:
        key, row, present = self._session.us_key, self._panel.found.currentRow(), self._session.registration
        if key is None or row < 0 or present is None:
            return
        frame, pairs = self._session.us_frame, len(present.landmarks)
        is_pair = row < pairs
        self._session.dispatch(
            RemoveLandmark(key, frame, row) if is_pair else RemoveContour(key, frame, row - pairs)
        )

    def _bend(self, bend: bool) -> None:
        """Fit anew, bent; or take the bend away."""
        if bend:
            self.fit()
        else:
            self._straighten()

    def _straighten(self) -> None:
        key, present = self._session.us_key, self._session.registration
        self._panel.bend.setChecked(False)
        if key is not None and present is not None and present.warp:
            straight = replace(present, warp=())
            self._session.dispatch(SetRegistration(key, self._session.us_frame, straight))


def _found(present: RegistrationParameters | None) -> list[LandmarkPair | Contour]:
    """Points first, then lines and surfaces: the order in which they are listed and weighed."""
    return [*present.landmarks, *present.contours] if present else []


def _is_predicted(item: LandmarkPair | Contour) -> bool:
    return isinstance(item, LandmarkPair) and item.predicted
