"""Step 4: the model's answer with what it is worth, or a sentence why there is none."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QObject, Qt
from PySide6.QtWidgets import QCheckBox, QGridLayout, QLabel, QMessageBox, QProgressBar, QSlider

from breastview.errors import ModelError
from breastview.fusion.preprocess import ModelInput
from breastview.fusion.reading import Eligibility, Reading
from breastview.fusion.spec import ModelSpec, read_spec
from breastview.jobs.process import WorkerProcess
from breastview.jobs.tasks import Ticket
from breastview.language import Language
from breastview.loaded import load_case
from breastview.messages import Message, message
from breastview.pipeline import read_lesion
from breastview.progress import Progress
from breastview.records.values import Lesion
from breastview.review.actions import RevealModel
from breastview.review.state import Part
from breastview.ui import style
from breastview.ui.names import whose_text
from breastview.ui.panes.tools import Tools
from breastview.ui.rail.parts import Panel, button, offer
from breastview.ui.rail.view import RailView
from breastview.ui.session import Session

READ = "breastview.fusion.predict:read_request"
KIND = "model"
WARM = "breastview.fusion.predict:warm"


class ModelPanel(Panel):
    """The fields of step 4."""

    def __init__(self, language: Language) -> None:
        super().__init__()
        text = language.text
        self.badge = self.label("model")
        self.run = button(text("Run the model"), text("Let the model read this lesion") + " (G)")
        self.column.addWidget(self.run)
        grid = QGridLayout()
        grid.setHorizontalSpacing(8)
        self.bars: dict[str, tuple[QLabel, QProgressBar, QLabel]] = {}
        for row, (name, label) in enumerate((("fused", text("Fused")), ("us", "US"), ("mri", "MRI"))):
            title, bar, value = QLabel(label, self), QProgressBar(self), QLabel(self)
            bar.setRange(0, 1000)
            bar.setTextVisible(False)
            bar.setStyleSheet(f"QProgressBar::chunk {{ background: {style.MODEL}; }}")
            value.setMinimumWidth(36)
            value.setAlignment(Qt.AlignmentFlag.AlignRight)
            if name == "fused":
                value.setProperty("role", "large")
            for column, widget in enumerate((title, bar, value)):
                grid.addWidget(widget, row, column)
            self.bars[name] = (title, bar, value)
        self.column.addLayout(grid)
        self.views = self.label()
        self.told = self.label("caution")
        self.worth = self.label("small")
        self.override = button(
            text("Compute all the same (research)"),
            text("Compute outside the model's scope; this is recorded and printed"),
        )
        self.column.addWidget(self.override)
        self.heatmaps = QCheckBox(text("Heatmaps"))
        self.heatmaps.setToolTip(text("Show or hide the model's attention") + " (H)")
        self.opacity = QSlider(Qt.Orientation.Horizontal, self)
        self.opacity.setRange(10, 100)
        self.opacity.setToolTip(text("Opacity of the heatmaps"))
        self.row(self.heatmaps, self.opacity)
        self.note = self.label("small")


class ModelPresenter(QObject):
    """Runs the model in its own process and shows the answer as long as it is true."""

    def __init__(
        self,
        panel: ModelPanel,
        rail: RailView,
        session: Session,
        tools: Tools,
        worker: WorkerProcess,
        bundle: Path,
        language: Language,
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._panel, self._rail, self._session = panel, rail, session
        self._tools, self._worker, self._bundle, self._language = tools, worker, bundle, language
        panel.run.clicked.connect(self.run)
        panel.override.clicked.connect(self._override)
        panel.heatmaps.toggled.connect(tools.show_heatmaps)
        panel.opacity.setValue(round(tools.heatmap_opacity * 100))
        panel.opacity.valueChanged.connect(lambda value: tools.show_heatmaps(tools.heatmaps, value / 100))
        tools.heatmaps_changed.connect(self._show_heatmaps)
        session.progressed.connect(self._progressed)
        session.opened.connect(self.show)
        session.changed.connect(self._changed)
        self.show()

    def warm(self) -> None:
        """Start the model process and load the bundle, once the window is up."""
        if not (self._bundle / "spec.json").exists():
            return

        ticket = Ticket("warm")

        def work(progress: Progress) -> str:
            request = (WARM, self._bundle, "auto")
            return str(self._worker.call(*request, cancelled=ticket.cancelled.is_set))

        self._session.tasks.start(ticket.kind, work, self._session.take_device, ticket=ticket)

    def run(self, override: bool = False) -> None:
        """Read the chosen lesion; what is outside the scope is refused with its reasons."""
        session, lesion = self._session, self._session.lesion
        if session.tasks.is_running(KIND):
            return
        if lesion is None:
            session.tell(message("scope.no_lesion"))
            return
        if not session.dispatch(RevealModel()):
            return
        try:
            spec = read_spec(self._bundle)
        except ModelError as error:
            session.tell(error.message)
            return
        state, body = session.state, session.body
        stacks, volumes = dict(session.stacks), dict(session.volumes)

        ticket = Ticket(KIND)

        views = {mark.frames_key for mark in lesion.views}

        def work(progress: Progress) -> Reading:
            def ask(given: ModelInput, eligibility: Eligibility) -> Reading:
                progress(None, message("doing.model"))
                request = (READ, self._bundle, "auto", given, eligibility, override)
                return self._worker.call(*request, cancelled=ticket.cancelled.is_set)

            motions = state.record.motions
            loaded = load_case(state.case, progress, stacks, volumes, motions, views, body, (lesion,))
            return read_lesion(loaded, state.record, lesion, spec, ask, override)

        session.tasks.start(ticket.kind, work, session.take_reading, ticket=ticket)

    def toggle_heatmaps(self) -> None:
        """Show or hide the heatmaps on both images; where there are none, none are asked for unseen."""
        reading = self._session.reading
        if not self._tools.heatmaps and not (reading and reading.heatmaps):
            self._session.tell(message("model.no_heatmaps"))
            return
        self._tools.show_heatmaps(not self._tools.heatmaps)

    def _show_heatmaps(self) -> None:
        self._panel.heatmaps.setChecked(self._tools.heatmaps)
        self._panel.opacity.setValue(round(self._tools.heatmap_opacity * 100))

    def show(self) -> None:
        """Show the answer that stands, or that there is none."""
        session, panel, text = self._session, self._panel, self._language.text
        lesion = session.lesion
        panel.setEnabled(lesion is not None)
        spec = self._spec()
        panel.badge.setText(
            text("DEMONSTRATION model") if spec and spec.demonstration else (spec.name if spec else "")
        )
        committed = session.case is not None and session.state.record.first_read_committed
        locked = "" if committed else self._language.say(message("review.model_locked"))
        missing = text("There is no model bundle. Reports go out without a probability.")
        offer(panel.run, locked if spec is not None else missing)
        reading = session.reading
        if reading is not None and not reading.is_from(spec):
            reading = None
        self._show_numbers(reading)
        self._show_views(lesion, reading)
        if lesion is None:
            panel.told.setText("")
            self._rail.set_state("model", "")
        elif spec is None:
            panel.told.setText(missing)
            self._rail.set_state("model", text("no model"))
        elif not committed:
            panel.told.setText(locked)
            self._rail.set_state("model", text("locked"))
        elif reading is None:
            panel.told.setText("")
            self._rail.set_state("model", text("not run"))
        else:
            self._show_reading(reading, whose_text(lesion, session.state.record))
        self._show_work()
        panel.worth.setText(self._worth(spec, reading))
        panel.override.setVisible(bool(lesion and lesion.us and reading and self._has_more_to_tell(reading)))

    def _has_more_to_tell(self, reading: Reading) -> bool:
        """Whether the model says more outside its scope: not where US alone was read for want of MRI."""
        if reading.eligibility.eligible or reading.research_override:
            return False
        return bool(self._session.state.case.volumes) or not reading.us_only

    def _show_work(self) -> None:
        """Say in the step's line that the model is at work, as long as it is."""
        if self._session.tasks.is_running(KIND):
            self._panel.run.setEnabled(False)
            self._rail.set_state("model", self._language.say(message("doing.model")))

    def _progressed(self, kind: str, fraction: float | None, doing: Message | None) -> None:
        if kind == KIND:
            self.show()

    def _show_numbers(self, reading: Reading | None) -> None:
        panel = self._panel
        values = {
            "fused": reading.probability if reading else None,
            "us": reading.probability_us if reading else None,
            "mri": reading.probability_mri if reading else None,
        }
        weighed = reading if reading is not None and not reading.us_only else None
        weights = {"us": weighed.weight_us, "mri": weighed.weight_mri} if weighed else {}
        for name, (title, bar, label) in panel.bars.items():
            value = values[name]
            bar.setValue(round(1000 * (value or 0)))
            label.setText("–" if value is None else f"{value:.2f}")
            weight = weights.get(name)
            base = {"fused": self._language.text("Fused"), "us": "US", "mri": "MRI"}[name]
            told = self._language.text("{modality}, weight {weight:.2f}")
            title.setText(base if weight is None else told.format(modality=base, weight=weight))
        has_maps = bool(reading and reading.heatmaps)
        panel.heatmaps.setEnabled(has_maps)
        panel.opacity.setEnabled(has_maps)
        panel.note.setText(self._language.text("Model attention, not lesion outline.") if has_maps else "")

    def _show_views(self, lesion: Lesion | None, reading: Reading | None) -> None:
        """Say in how many US views the lesion was read, where it has, or was read in, more than one."""
        text, told = self._language.text, ""
        if reading is not None and reading.probability_us is not None and lesion is not None:
            if reading.views > 1:
                told = text("2 US views")
            elif len(lesion.views) > 1:
                told = text("Only the first US view was read.")
        self._panel.views.setText(told)
        self._panel.views.setVisible(bool(told))

    def _show_reading(self, reading: Reading, whose: str) -> None:
        text, say = self._language.text, self._language.say
        reasons = "\n".join("⚠ " + say(reason) for reason in reading.eligibility.reasons)
        if reading.research_override:
            reasons = text("RESEARCH OVERRIDE: outside the model's scope.") + "\n" + reasons
        elif reading.us_only:
            reasons = text("Ultrasound alone. No fused probability:") + "\n" + reasons
        elif not reading.eligibility.eligible:
            reasons = text("No probability:") + "\n" + reasons
        cautions = ["⚠ " + say(caution) for caution in reading.cautions]
        self._panel.told.setText("\n".join(part for part in (reasons, *cautions) if part))
        shown = reading.probability if reading.probability is not None else reading.probability_us
        if shown is None:
            self._rail.set_state("model", f"⚠ {whose}{text('no probability: outside scope')}", "caution")
        else:
            is_doubted = reading.cautions or reading.research_override
            mark, role = ("⚠", "caution") if is_doubted else ("✓", "model")
            of = "US " if reading.probability is None else ""
            self._rail.set_state("model", f"{mark} {whose}{of}{shown:.2f}", role)

    def _worth(self, spec: ModelSpec | None, reading: Reading | None) -> str:
        if spec is None or reading is None:
            return self._session.device
        text = self._language.text
        scope, figures = reading.worth(spec)
        lines = [self._language.say(line) for line in (scope.told, *scope.details)]
        if "auc" in figures:
            auc = figures["auc"]
            lines.append(f"AUC {auc.value:.2f} ({auc.low:.2f}–{auc.high:.2f}), n = {auc.n}")
        if "ece" in figures:
            lines.append(text("calibration error {ece:.2f}").format(ece=figures["ece"].value))
        lines.append(reading.device or self._session.device)
        return "\n".join(line for line in lines if line)

    def _spec(self) -> ModelSpec | None:
        try:
            return read_spec(self._bundle)
        except ModelError:
            return None

    def _override(self) -> None:
        text = self._language.text
        answer = QMessageBox.question(
            self._panel,
            text("Research override"),
            text("This case is outside what the model was validated for. Compute a probability all the same? "
                 "It is recorded, and printed in the report."),
        )  # fmt: skip
        if answer == QMessageBox.StandardButton.Yes:
            self.run(override=True)

    def _changed(self, parts: frozenset[Part]) -> None:
        self.show()
