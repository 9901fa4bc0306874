"""What a reading says of itself, and what the record keeps of it."""

from __future__ import annotations

from dataclasses import fields

from breastview.fusion.predict import read
from breastview.fusion.reading import Eligibility, keep, refusal, restored
from breastview.messages import message
from breastview.records.values import KeptReading
from tests.fusion.examples import SPEC, bundle, given

REASONS = (message("scope.simulated_only"), message("concordance.far_apart", mm=21))


def test_a_refusal_says_why_and_gives_no_number():
    reading = refusal(SPEC, "L2", "cd" * 32, Eligibility(False, REASONS), device="CPU")
    assert (reading.lesion_id, reading.model_name, reading.device) == ("L2", "example", "CPU")
    assert reading.eligibility.reasons == REASONS
    assert (reading.probability, reading.weight_us, reading.heatmaps) == (None, None, ())
    assert reading.demonstration and not reading.research_override


def test_the_record_keeps_everything_but_the_heatmaps():
    reading = read(bundle(), given(), Eligibility(False, REASONS), override=True)
    kept = keep(reading)
    assert (kept.eligible, kept.reasons, kept.research_override) == (False, REASONS, True)
    same = {field.name for field in fields(KeptReading)} - {"eligible", "reasons"}
    assert {name: getattr(kept, name) for name in same} == {name: getattr(reading, name) for name in same}
    assert kept.probability is not None


def test_a_restored_reading_is_the_kept_one_without_its_heatmaps():
    reading = read(bundle(), given(), Eligibility(True))
    back = restored(keep(reading))
    assert back.heatmaps == () and reading.heatmaps
    without = [field.name for field in fields(reading) if field.name != "heatmaps"]
    assert [getattr(back, name) for name in without] == [getattr(reading, name) for name in without]
