"""The US scanner: speckle, what tissue does to the beam, and what the settings do to the picture."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from breastview.phantom import ultrasound
from breastview.phantom.backscatter import STEP_MM, Medium
from breastview.phantom.tissue import ACOUSTIC, Tissue
from breastview.phantom.ultrasound import TGC_DB_PER_CM_MHZ, Settings, compress, draw_settings, envelope, look

SHAPE = (300, 400)


def homogeneous(shape=SHAPE) -> Medium:
    """Tissue that the TGC is right for, without interfaces."""
    one = np.ones(shape, np.float32)
    return Medium(one, 1.5 * one, TGC_DB_PER_CM_MHZ * one, one)


def with_disc(**maps: float) -> Medium:
    """Homogeneous tissue with a disc of 4 mm radius at 12 mm depth."""
    medium = homogeneous()
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    disc = np.hypot(y - 120, x - 200) < 40
    changed = {name: np.where(disc, np.float32(maps[name]), getattr(medium, name)) for name in maps}
    own = {name: changed.get(name, getattr(medium, name)) for name in ("echo", "impedance", "attenuation")}
    return Medium(**own, mirror=medium.mirror)


def quiet(**changes: float) -> Settings:
    return Settings(noise_db=-150.0, clutter_db=-150.0, **changes)


def decibel(ratio: float) -> float:
    return float(20 * np.log10(ratio))


def behind(picture: np.ndarray) -> float:
    """How much brighter it is behind the disc than beside it, dB."""
    return decibel(picture[200:260, 185:215].mean() / picture[200:260, 40:100].mean())


def test_homogeneous_tissue_shows_fully_developed_speckle_in_one_look():
    ratios = []
    for seed in range(6):
        one = look(homogeneous(), quiet(), 0.0, np.random.default_rng(seed))
        ratios.append(one.mean() / one.std())
    assert np.mean(ratios) == pytest.approx(1.91, abs=0.03)
    assert ratios == pytest.approx([1.91] * 6, abs=0.1)


def test_compounding_looks_quietens_speckle_by_the_root_of_their_number():
    rng = np.random.default_rng(1)
    one = look(homogeneous(), quiet(), 0.0, rng)
    four = sum(look(homogeneous(), quiet(), angle, rng) for angle in (-9, -3, 3, 9)) / 4
    assert (four.mean() / four.std()) / (one.mean() / one.std()) == pytest.approx(2.0, abs=0.1)


def test_speckle_is_finest_at_the_focus_and_finer_at_higher_frequency():
    settings = quiet(focus_mm=10.0)
    at_focus, deep = settings.lateral_sigma_mm(np.array([10.0, 30.0]))
    assert deep / at_focus == pytest.approx(np.sqrt(1 + (20 / 14) ** 2))
    high, low = quiet(frequency_mhz=12.0), quiet(frequency_mhz=6.0)
    assert high.axial_sigma_mm == pytest.approx(0.5 * low.axial_sigma_mm)
    picture = look(homogeneous(), settings, 0.0, np.random.default_rng(0))
    assert correlation(picture[80:120]) < correlation(picture[260:])


def correlation(rows: np.ndarray, lag_px: int = 4) -> float:
    """Of neighbours along the rows."""
    return float(np.corrcoef(rows[:, :-lag_px].ravel(), rows[:, lag_px:].ravel())[0, 1])


def test_a_cyst_is_dark_and_what_lies_behind_it_as_much_brighter_as_it_attenuates_less():
    medium = with_disc(echo=0.001, attenuation=0.0)
    settings = quiet(frequency_mhz=8.0)
    picture = look(medium, settings, 0.0, np.random.default_rng(3))
    expected = 2 * 8.0 * TGC_DB_PER_CM_MHZ * 0.8
    assert behind(picture) == pytest.approx(expected, abs=1.0)
    assert decibel(picture[110:130, 190:210].mean() / picture[110:130, :100].mean()) < -40


def test_an_attenuating_mass_casts_a_shadow_that_compounding_softens():
    medium = with_disc(attenuation=1.6)
    sharp, soft = quiet(looks=1, steer_deg=0.0), quiet(looks=5, steer_deg=12.0)
    hard, wide = (
        np.mean([envelope_without_contact(medium, settings, seed) for seed in range(6)], axis=0)
        for settings in (sharp, soft)
    )
    assert behind(hard) < -10 and behind(wide) < -3
    assert edge_px(wide) > 1.5 * edge_px(hard)


def envelope_without_contact(medium: Medium, settings: Settings, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    angles = np.linspace(-1, 1, settings.looks) * settings.steer_deg
    return np.mean([look(medium, settings, float(angle), rng) for angle in angles], axis=0)


def edge_px(picture: np.ndarray) -> int:
    """Width of the shadow's flanks: columns between 25 and 75 % of the way down."""
    profile = picture[220:260].mean(axis=0)
    profile = np.convolve(profile, np.ones(9) / 9, mode="same")[20:-20]
    share = (profile - profile.min()) / (np.median(profile[:80]) - profile.min())
    return int(((share > 0.25) & (share < 0.75)).sum())


def test_an_interface_echoes_by_how_squarely_the_beam_meets_it():
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    brightness = []
    for slope in (0.0, 0.36, 1.2):
        base = homogeneous()
        below = y > 150 + slope * (x - 200)
        impedance = np.where(below, np.float32(1.7), base.impedance)
        medium = Medium(0.05 * base.echo, impedance, base.attenuation, base.mirror)
        picture = look(medium, quiet(), 0.0, np.random.default_rng(0))
        brightness.append(picture[140:160, 190:210].max())
    flat, tilted, steep = brightness
    assert decibel(tilted / flat) < -2 and decibel(steep / flat) < -12


def test_noise_shows_deep_down_only():
    """Without echoes, what the TGC makes of electronic noise grows with depth as the TGC does."""
    silent = homogeneous()
    silent = Medium(0 * silent.echo, silent.impedance, silent.attenuation, silent.mirror)
    settings = Settings(frequency_mhz=8.0, noise_db=-70.0)
    picture = look(silent, settings, 0.0, np.random.default_rng(0))
    grown = decibel(picture[250:].mean() / picture[:50].mean())
    assert grown == pytest.approx(2 * 8.0 * TGC_DB_PER_CM_MHZ * 2.5, abs=1.0)


def test_fluid_under_bright_tissue_is_hazed_at_its_near_side():
    medium = with_disc(echo=0.0)
    picture = envelope(medium, Settings(clutter_db=-30.0, noise_db=-150.0), np.random.default_rng(0))
    assert decibel(picture[90:100, 195:205].mean() / picture[140:150, 195:205].mean()) > 4


def test_compression_turns_decibels_into_grey_levels():
    settings = Settings(dynamic_range_db=60.0, curve=1.0, reduction=0.0)
    steps = np.repeat(10.0 ** (np.array([-20.0, -10.0, 0.0]) / 20), 40)
    grey = compress(np.tile(steps.astype(np.float32), (50, 1)), settings)
    assert grey.dtype == np.uint8
    assert np.diff(grey[25, [20, 60, 100]].astype(int)) == pytest.approx([42.5, 42.5], abs=1)


def test_speckle_reduction_smooths_tissue_and_keeps_edges():
    medium = with_disc(echo=0.05)
    picture = envelope_without_contact(medium, quiet(), 4)
    raw, reduced = (compress(picture, quiet(reduction=r)).astype(float) for r in (0.0, 0.9))
    assert reduced[100:200, 20:120].std() < 0.85 * raw[100:200, 20:120].std()
    step = [grey[115:125, 40:120].mean() - grey[115:125, 180:220].mean() for grey in (raw, reduced)]
    assert step[1] == pytest.approx(step[0], rel=0.05)


def test_other_seeds_are_other_machines():
    drawn = [draw_settings(np.random.default_rng(seed)) for seed in range(40)]
    assert draw_settings(np.random.default_rng(3)) == drawn[3]
    frequencies = [settings.frequency_mhz for settings in drawn]
    assert 5 <= min(frequencies) < 6 and 12 < max(frequencies) <= 13
    assert len({settings.looks for settings in drawn}) > 1


@pytest.mark.parametrize("noise_db", [-84.0, -72.0])
def test_a_deep_picture_is_taken_at_a_frequency_that_reaches_its_bottom(noise_db):
    drawn = Settings(frequency_mhz=13.0, noise_db=noise_db)
    assert drawn.reaching(25.0) == drawn
    deep = drawn.reaching(60.0)
    assert 5 < deep.frequency_mhz < 11 and deep.f_number == drawn.f_number
    tissue = homogeneous((600, 200))
    silent = replace(tissue, echo=0 * tissue.echo)
    shown, noise = (
        look(medium, deep, 0.0, np.random.default_rng(0))[560:].mean() for medium in (tissue, silent)
    )
    assert decibel(shown / noise) > 10


@pytest.mark.parametrize("frequency_mhz", [5.0, 13.0])
def test_speckle_is_fully_developed_and_as_bright_at_both_ends_of_the_probe(frequency_mhz):
    end, middle = (
        look(homogeneous(), quiet(frequency_mhz=mhz), 0.0, np.random.default_rng(2))
        for mhz in (frequency_mhz, 9.0)
    )
    assert end.mean() / end.std() == pytest.approx(1.91, abs=0.12)
    assert decibel(end.mean() / middle.mean()) == pytest.approx(0, abs=1.0)


def test_a_brighter_tissue_table_entry_is_a_brighter_tissue():
    assert ACOUSTIC[Tissue.GLAND].echo > ACOUSTIC[Tissue.FAT].echo > ACOUSTIC[Tissue.LESION].echo
    assert ultrasound.STEP_MM == STEP_MM
