"""Labelled stills: what is read, cut and painted over, and that near-duplicates stay together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from breastview.fusion.spec import InputSpec
from breastview.imaging.pictures import load_picture
from model_training.__main__ import app
from model_training.cohort.samples import CohortError, joined, load_cohort
from model_training.cohort.stills import about, painted_over, read_stills, stills_cohort, stills_with_masks
from model_training.splits import folds

SMALL = InputSpec(size_px=24)


def write_stills(folder: Path, **numbers: int) -> Path:
    """So many stills of each class, a dark lesion in each."""
    rng = np.random.default_rng(0)
    for name, number in numbers.items():
        (folder / name).mkdir(parents=True)
        for k in range(number):
            mask = np.zeros((90, 120), np.uint8)
            mask[30:50, 40 + k : 80 + k] = 255
            grey = rng.integers(60, 90, mask.shape).astype(np.uint8)
            grey[mask > 0] = 20
            Image.fromarray(grey).save(folder / name / f"{name} ({k}).png")
            Image.fromarray(mask).save(folder / name / f"{name} ({k})_mask.png")
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    write_stills(tmp_path, benign=3, malignant=2)
    (tmp_path / "index.csv").write_text(
        "class,file,near_duplicate_group\nbenign,benign (0).png,7\nbenign,benign (2).png,7\n"
    )
    return tmp_path


def test_pictures_come_with_label_box_and_group(folder):
    stills = list(read_stills(folder))
    assert [still.malignant for still in stills] == [False] * 3 + [True] * 2
    assert stills[1].box_px == (41.0, 30.0, 80.0, 49.0)
    assert about(read_stills(folder))["group"].tolist() == [
        "group 7",
        "benign/benign (1)",
        "group 7",
        "malignant/malignant (0)",
        "malignant/malignant (1)",
    ]


def test_a_shard_of_stills_has_no_mri_and_says_where_it_comes_from(folder, tmp_path):
    stills_cohort(read_stills(folder), tmp_path / "c" / "stills.npz", "train", SMALL, variants=3)
    samples = load_cohort(tmp_path / "c", "train")
    assert samples.us.shape == (5, 3, 1, 24, 24)
    assert not samples.channels.any() and not samples.mri.any()
    assert set(samples.about["source"]) == {"stills"}
    dark = samples.us[:, :, 0, 12, 12] * SMALL.us_std + SMALL.us_mean
    assert dark == pytest.approx(20 / 255, abs=0.02)


def test_masks_of_ones_and_of_a_colour_are_masks(folder):
    before = [still.mask.sum() for still in read_stills(folder)]
    for number, colour in enumerate(((1, 1, 1), (255, 0, 0))):
        path = folder / "benign" / f"benign ({number})_mask.png"
        mask = np.asarray(Image.open(path)) > 0
        Image.fromarray(mask[..., None] * np.array(colour, np.uint8)).save(path)
    assert [still.mask.sum() for still in read_stills(folder)] == before


def test_a_picture_of_16_bits_is_read_as_the_window_shows_it(folder):
    path = folder / "benign" / "benign (0).png"
    ramp = np.linspace(0, 4095, 90 * 120).reshape(90, 120).astype(np.uint16)
    Image.fromarray(ramp).save(path)
    still = next(read_stills(folder))
    assert np.array_equal(still.grey, load_picture(path)[0])
    assert still.grey[45, 60] == pytest.approx(128, abs=1)


def test_stills_with_an_empty_mask_are_left_out_and_counted_once(folder, tmp_path, caplog):
    for name in ("benign/benign (1)", "malignant/malignant (0)"):
        Image.fromarray(np.zeros((90, 120), np.uint8)).save(folder / f"{name}_mask.png")
    samples, masks = stills_with_masks(folder, tmp_path / "c", SMALL, 1)
    assert len(samples) == len(masks["lesion"]) == 3
    assert [line.message for line in caplog.records] == ["2 stills have an empty mask and are left out"]


def test_a_mask_without_its_picture_is_named(folder):
    (folder / "benign" / "benign (1).png").rename(folder / "benign" / "benign (1).jpg")
    with pytest.raises(FileNotFoundError, match=r"benign \(1\)_mask.png has no picture \(.png\) beside it"):
        list(read_stills(folder))


def test_a_fixed_magnification_hides_how_large_the_lesion_is(folder, tmp_path):
    stills_cohort(
        read_stills(folder), tmp_path / "c" / "s.npz", "", SMALL, variants=1, fixed_magnification=True
    )
    shown = load_cohort(tmp_path / "c").us[0, 0, 0] * SMALL.us_std + SMALL.us_mean
    share = (np.abs(shown - 20 / 255) < 0.05).mean()
    assert share == pytest.approx(40 * 20 / (150 * 1.6) ** 2, rel=0.4)


def test_a_box_shaped_cohort_says_so_and_shows_lesions_in_one_proportion(folder, tmp_path):
    command = ["cohort", "stills", str(folder), str(tmp_path / "c"), "--variants", "1", "--box-shaped"]
    assert CliRunner().invoke(app, command).exit_code == 0
    samples = load_cohort(tmp_path / "c")
    assert samples.box_shaped.all()
    inputs = InputSpec()
    dark = np.abs(samples.us[0, 0, 0] * inputs.us_std + inputs.us_mean - 20 / 255) < 0.05
    wide, high = dark.any(axis=0).sum(), dark.any(axis=1).sum()  # of a box of 40 x 20 px
    assert wide == pytest.approx(high, abs=3) and wide == pytest.approx(96 / 1.6, abs=3)
    stills_cohort(read_stills(folder), tmp_path / "d" / "s.npz", "", SMALL, variants=1)
    assert not load_cohort(tmp_path / "d").box_shaped.any()


def test_outlines_stray_as_their_pictures_do(folder, tmp_path):
    stills_cohort(read_stills(folder), tmp_path / "c" / "s.npz", "", SMALL, variants=4)
    samples = load_cohort(tmp_path / "c")
    assert samples.outline.shape == (5, 4, 24, 24)
    dark = np.abs(samples.us[:, :, 0] * SMALL.us_std + SMALL.us_mean - 20 / 255) < 0.03
    inside, outside = samples.outline > 0.95, samples.outline < 0.05
    assert dark[inside].mean() > 0.95 and dark[outside].mean() < 0.05
    assert not np.array_equal(inside[:, 0], inside[:, 1])
    both = joined([samples.take(np.array([0, 1])), samples.take(np.array([2, 3, 4]))])
    assert both.sha256 == samples.sha256 != replace(samples, outline=None).sha256
    assert joined([samples, replace(samples, outline=None)]).outline is None


def test_only_the_chosen_are_cut(folder, tmp_path):
    first, *_, last = read_stills(folder)
    stills_cohort([first, last], tmp_path / "c" / "s.npz", "test", SMALL, 1)
    assert load_cohort(tmp_path / "c", "test").about["malignant"].tolist() == [False, True]


def test_the_parts_of_a_fold_stand_beside_other_cases(tmp_path):
    source = write_stills(tmp_path / "stills", benign=10, malignant=10)
    words = ["cohort", "stills", str(source), str(tmp_path / "c"), "--fold", "2/2", "--size", "24"]
    assert CliRunner().invoke(app, words).exit_code == 0
    parts = {part: load_cohort(tmp_path / "c", part) for part in ("train", "validation", "test")}
    assert {part: len(samples) for part, samples in parts.items()} == {
        "train": 8,
        "validation": 2,
        "test": 10,
    }
    assert [parts[part].us.shape[1:] for part in parts] == [(6, 1, 24, 24), (2, 1, 24, 24), (2, 1, 24, 24)]
    (drawn,) = [fold for fold in folds(about(read_stills(source)), 2) if fold.name == "fold 2/2"]
    assert set(parts["test"].about["case"]) == set(about(read_stills(source))["case"].iloc[drawn.test])


def test_a_fold_counts_the_stills_with_an_empty_mask_once(tmp_path, caplog):
    source = write_stills(tmp_path / "stills", benign=11, malignant=10)
    Image.fromarray(np.zeros((90, 120), np.uint8)).save(source / "benign" / "benign (1)_mask.png")
    words = ["cohort", "stills", str(source), str(tmp_path / "c"), "--fold", "1/2", "--size", "24"]
    assert CliRunner().invoke(app, words).exit_code == 0
    told = [line.message for line in caplog.records if "empty mask" in line.message]
    assert told == ["1 stills have an empty mask and are left out"]


def test_thin_bright_marks_are_painted_over_and_tissue_stays():
    grey = np.full((60, 60), 70, np.uint8)
    grey[40:, :] = 220  # a wide bright layer
    marked = grey.copy()
    marked[10, 5:50] = 255
    marked[5:16, 20] = 255
    assert np.array_equal(painted_over(marked), grey)
    assert painted_over(grey) is grey


def test_a_folder_without_classes_and_a_picture_without_its_mask_are_missed(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder 'benign'"):
        list(read_stills(tmp_path / "nowhere"))
    (folder / "benign" / "benign (1)_mask.png").unlink()
    with pytest.raises(FileNotFoundError, match=r"benign \(1\)_mask.png"):
        list(read_stills(folder))


def test_all_masks_of_a_picture_are_its_lesion(folder):
    pictures = [still.name for still in read_stills(folder)]
    second = np.zeros((90, 120), np.uint8)
    second[60:70, 20:30] = 255
    Image.fromarray(second).save(folder / "benign" / "benign (1)_mask_1.png")
    stills = {still.name: still for still in read_stills(folder)}
    assert list(stills) == pictures
    assert stills["benign/benign (1)"].box_px == (20.0, 30.0, 80.0, 69.0)


def test_endings_in_capitals_are_read_too(folder):
    for path in list((folder / "malignant").iterdir()):
        path.rename(path.with_suffix(".PNG"))
    assert sum(still.malignant for still in read_stills(folder)) == 2


def test_a_mask_of_another_size_is_refused(folder):
    Image.new("L", (60, 45), 255).save(folder / "benign" / "benign (1)_mask.png")
    told = r"the mask benign/benign \(1\)_mask.png has 60 x 45 px, its picture 120 x 90 px"
    with pytest.raises(CohortError, match=told):
        list(read_stills(folder))


def test_a_folder_without_pictures_and_a_broken_picture_are_named(folder, tmp_path):
    for name in ("benign", "malignant"):
        (tmp_path / "none" / name).mkdir(parents=True)
    with pytest.raises(CohortError, match="no picture"):
        list(read_stills(tmp_path / "none"))
    (folder / "malignant" / "malignant (0).png").write_bytes(b"hello")
    with pytest.raises(CohortError, match=r"malignant/malignant \(0\).png is no picture that can be read"):
        list(read_stills(folder))


def test_an_index_lacks_no_column_and_a_blank_group_is_the_pictures_own(folder):
    index = folder / "index.csv"
    index.write_text("class,file,near_duplicate_group\nbenign,benign (0).png,\nbenign,benign (1).png,7\n")
    assert about(read_stills(folder))["group"].tolist()[:3] == [
        "benign/benign (0)",
        "group 7",
        "benign/benign (2)",
    ]
    index.write_text("klasse;datei\n")
    with pytest.raises(CohortError, match=r"index.csv of the stills lacks the column 'class'"):
        list(read_stills(folder))
    index.write_text("")
    with pytest.raises(CohortError, match=r"index.csv of the stills cannot be read"):
        list(read_stills(folder))


def test_the_command_line_cuts_stills(folder, tmp_path):
    command = ["cohort", "stills", str(folder), str(tmp_path / "c"), "--variants", "1", "--without-marks"]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert len(load_cohort(tmp_path / "c")) == 5
