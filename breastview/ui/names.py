"""What things are called on screen: places on the clock face, grades, grips, heatmaps, volumes and images."""

from __future__ import annotations

from breastview.fusion.reading import Heatmap
from breastview.imaging.case import Role, RoleChoice
from breastview.language import Language
from breastview.messages import Message
from breastview.records.values import Lesion, ReviewRecord, clock_label
from breastview.registration.grade import Grade
from breastview.registration.parameters import Method
from breastview.ui.panes.grips import Grip

_NAMES = {
    Role.T1WI: "T1WI",
    Role.T2WI: "T2WI",
    Role.STIR: "STIR",
    Role.ADC: "ADC",
    Role.MIP: "MIP",
}


def clock_text(clock_h: float, language: Language) -> str:
    """A place on the clock face: "9 h", "2:30 h"."""
    return language.text("{clock} h").format(clock=clock_label(clock_h))


def whose_text(lesion: Lesion, record: ReviewRecord) -> str:
    """Whose a step's line is, where there is more than one lesion: "L2 · "."""
    return f"{lesion.lesion_id} · " if len(record.lesions) > 1 else ""


def grade_text(grade: Grade, method: Method, language: Language) -> str:
    """What a registration is worth and how it was made: "region · from the clock face"."""
    words = [language.say(Message(f"grade.{grade}"))]
    if method is not Method.LANDMARKS or not grade.allows_measuring:
        words.append(language.say(Message(f"method.{method}")))
    return " · ".join(words)


def grip_text(grip: Grip, language: Language) -> str:
    """What a drag does where it takes hold, and the keys that do the same; nothing where it moves."""
    text = language.text
    words = {
        Grip.SPIN: text("Turn in the plane") + " · Ctrl+← →",
        Grip.TILT: text("Turn about the plane's x") + " · Ctrl+↑ ↓",
        Grip.SWING: text("Turn about the plane's y") + " · Ctrl+PgUp PgDn",
        Grip.THROUGH: text("Go through the plane") + " · Alt+PgUp PgDn",
    }
    return words.get(grip, "")


def keyboard_text(language: Language) -> str:
    """Whose the keys are."""
    return language.text("In a field or a list the keys are its own; Enter or a click on an image ends that.")


def loading_text(is_unread: bool, language: Language) -> str:
    """What stands in a pane whose images are not here."""
    return language.text("Could not be read.") if is_unread else language.text("Loading…")


def heatmap_note(heatmap: Heatmap, language: Language) -> str:
    """What stands beside a heatmap; an empty one says so."""
    if not heatmap.shows:
        return language.text("hardly any model attention for malignancy")
    return language.text("model attention, not lesion outline")


def role_name(choice: RoleChoice, language: Language) -> str:
    """A short name for a role, with b-value or phase."""
    text = language.text
    if choice.role is Role.DWI:
        return "DWI" if choice.b_value is None else f"DWI b{choice.b_value:.0f}"
    if choice.role is Role.DCE:
        phase = "/".join(str(number) for number in (choice.phase, choice.phase_count) if number)
        return " ".join(filter(None, ("DCE", choice.label, phase)))
    words = {
        Role.US_STILL: text("US still"),
        Role.US_CINE: text("US cine"),
        Role.US_VOLUME: text("US volume"),
        Role.SUBTRACTION: text("Subtraction"),
        Role.LOCALIZER: text("Localizer"),
        Role.OTHER: text("Other"),
    }
    return _NAMES.get(choice.role) or words[choice.role]
