"""A report's content as it may be, and the text of its pages."""

from __future__ import annotations

import datetime
from dataclasses import replace

import numpy as np
import pypdfium2 as pdfium

from breastview.fusion.reading import Eligibility, Reading
from breastview.fusion.spec import InputSpec, Metric, ModelSpec, NetworkSpec, Scope
from breastview.imaging.case import Patient
from breastview.language import Language
from breastview.records.values import BiRads, Lesion, MriMark, Side, UsMark
from breastview.report.content import LesionContent, RegistrationContent, ReportContent
from breastview.report.images import KeyImage
from breastview.report.pdf import render_pdf

ENGLISH, CHINESE = Language("en"), Language("zh_CN")
PATIENT = Patient("ZHANG^SAN=张^三=", "P-17", datetime.date(1971, 4, 9), "F", 54)
LESION = Lesion(
    "L1",
    Side.LEFT,
    clock_h=2.5,
    nipple_distance_mm=31.0,
    depth_mm=14.0,
    us=UsMark("us", 0, 1, 1, 9, 9),
    mri=MriMark("dce", (0.0, 0.0, 0.0), (12.0, 9.0, 11.0)),
    bi_rads=BiRads.C4B,
)
REGISTRATION = RegistrationContent("confirmed", "landmarks", 5, 0, 1.24, 2.71, 3.1, 1.0, ())
SPEC = ModelSpec(
    name="TEST, untrained",
    demonstration=True,
    input=InputSpec(),
    network=NetworkSpec(),
    scope=Scope(simulated_only=True, min_age_y=30, note="For tests only."),
    weights_sha256="0123456789abcdef",
    metrics={"fused": {"auc": Metric(0.91, 0.88, 0.94, 400)}},
)
READING = Reading(
    "L1",
    Eligibility(True),
    research_override=False,
    model_name="TEST",
    model_sha256="",
    input_sha256="",
    device="CPU",
    demonstration=True,
    probability=0.73,
    probability_us=0.61,
    probability_mri=0.82,
    weight_us=0.4,
    weight_mri=0.6,
)


def picture(kind: str, heat: bool = False) -> KeyImage:
    return KeyImage(kind, "L1", np.full((80, 90, 3), 120, np.uint8), heat, 0.5, "" if kind == "us" else "DCE")


IMAGES = tuple(picture(kind, heat) for kind in ("us", "mri_plane") for heat in (False, True))
WITH_HEAT = (*IMAGES, picture("mri_slice"))
PLAIN = (picture("us"), picture("mri_plane"), picture("mri_slice"))
TWO_VIEWS = replace(LESION, second_us=UsMark("across", 0, 1, 1, 9, 9))
IN_TWO_VIEWS = (
    *(replace(picture("us", heat), us_view=view) for view in (1, 2) for heat in (False, True)),
    *(replace(picture("mri_plane", heat), us_view=1) for heat in (False, True)),
    picture("mri_slice"),
)


def content(lesion: Lesion = LESION, images=WITH_HEAT, **changes) -> ReportContent:
    about = {
        "second_size_mm": None,
        "mri_side": "L",
        "size_mm": (14.2, 9.6),
        "registration": REGISTRATION,
        "reading": READING,
        "of_views": (),
    }
    about.update({key: changes.pop(key) for key in tuple(changes) if key in about})
    whole = {
        "patient": PATIENT,
        "us_dates": (datetime.date(2026, 3, 2),),
        "mri_date": datetime.date(2026, 3, 5),
        "has_us": True,
        "has_mri": True,
        "simulated": False,
        "lesions": (LesionContent(lesion, images=images, **about),),
        "overview": (),
        "problem_count": 0,
        "notes": (),
        "spec": SPEC,
        "printed": datetime.datetime(2026, 11, 24, 10, 30),
    }
    return ReportContent(**{**whole, **changes})


def pages(made: ReportContent, language: Language = ENGLISH) -> list[str]:
    """The text of each page, white space made single."""
    document = pdfium.PdfDocument(render_pdf(made, language))
    return [" ".join(page.get_textpage().get_text_range().split()) for page in document]
