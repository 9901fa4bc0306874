"""What a hospital tells of a lesion that neither images nor marks say, in a list or in a record, and how its
words are read."""

from __future__ import annotations

import math
import unicodedata

COLUMNS = ("folder", "side", "clock", "pathology")  # of a list of lesions, beside any of `TOLD`
YES_OR_NO = ("yes", "no")
TOLD: dict[str, tuple[str, ...]] = {  # in a record's extra, by name or by "L1.name"; without words: a number
    "density": ("a", "b", "c", "d"),
    "before_surgery": YES_OR_NO,
    "mri_artefact_grade": (),
    "other_malignancy": YES_OR_NO,
    "pregnant": YES_OR_NO,
    "prior_biopsy": YES_OR_NO,
    "prior_therapy": YES_OR_NO,
    "implants": YES_OR_NO,
    "benign_by": ("histology", "follow_up"),
    "follow_up_months": (),
}
_YES = {"yes", "y", "true", "1", "是"}
_NO = {"no", "n", "false", "0", "none", "否"}


class ListError(ValueError):
    """A list of lesions that cannot be read; says what it lacks."""


def folded(value: object) -> str:
    """A word as it is compared: in small letters, _ for hyphen and space, yes and no for all that say so;
    empty where nothing is told."""
    if value is None:
        return ""
    word = unicodedata.normalize("NFKC", str(value)).strip().casefold().removesuffix(".0")
    word = word.replace("-", "_").replace(" ", "_")
    if word in _YES:
        return "yes"
    return "no" if word in _NO else word if word not in ("nan", "<na>") else ""


def as_number(value: object) -> float:
    """A number as it is compared; not a number where it is none or not finite."""
    try:
        x = float(str(value))
    except ValueError:
        return math.nan
    return x if math.isfinite(x) else math.nan


def can_be_judged(column: str, value: object) -> bool:
    """Whether a value is empty, or one of those that the column has; a column that is none of `TOLD` may have
    any."""
    word = folded(value)
    if not word or column not in TOLD:
        return True
    return word in TOLD[column] if TOLD[column] else as_number(value) >= 0


def read_told(column: str, text: str) -> str:
    """A cell of a column of `TOLD` as it is kept: folded, or the text of a number.

    Raises:
        ValueError: it cannot be judged; says what the column has.
    """
    words = TOLD[column]
    if not can_be_judged(column, text):
        has = f"{', '.join(words[:-1])} or {words[-1]}" if words else "a number"
        raise ValueError(f"{column} is {has}, or empty where it is unknown")
    return folded(text) if words else text
