"""What the tables say: n, interval, the paper's figure and its flaw, paired tests, and what they are not."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from breastview.fusion.spec import Metric
from model_training import evaluate
from model_training.tables import write
from model_training.tables.facts import study_facts
from model_training.tables.paper import PUBLISHED
from model_training.tables.rows import planned, study_rows
from model_training.tables.study import PIPELINE_CHECK, SIMULATED, Cell
from model_training.tables.write import ranked, study_tables, write_study, write_tables
from tests.model_training.tables.examples import N, study

DRAWS = 40


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    own = study()
    write_study(own, folder, DRAWS)
    return folder, own, study_tables(own, DRAWS)


def test_each_cell_has_n_interval_and_the_papers_figure(written):
    folder, _, (one, two, _) = written
    row = two.rows[2]
    assert row.name == "ResNet-101 US+MRI"
    auc, sensitivity = row.metrics["auc"], row.metrics["sensitivity"]
    text = (folder / "table2.md").read_text(encoding="utf-8")
    assert f"{auc.value:.3f} ({auc.low:.3f}–{auc.high:.3f}), n = 120; 0.9034" in text
    assert f"{sensitivity.value:.3f} ({sensitivity.low:.3f}–{sensitivity.high:.3f}), n = 60; 0.9366" in text
    assert len(one.rows) == 6 and "auc" not in one.shown


def test_every_table_says_that_it_is_no_evidence_and_what_a_small_study_is(written, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(write, "write_figure", lambda figure, *_: drawn.append(figure))  # most of the time
    folder, _, _ = written
    for name in ("table1", "table2", "table3"):
        text = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert SIMULATED in text and "Pipeline check" not in text
        assert f"{N} test lesions (60 malignant) of {N} patients" in text
    write_tables(study("small", "records", lesions_a_patient=2), tmp_path, DRAWS)
    text = (tmp_path / "table1.md").read_text(encoding="utf-8")
    assert "Pipeline check" in text and SIMULATED not in text
    assert {figure.get_suptitle() for figure in drawn} == {PIPELINE_CHECK}
    assert "epochs: 6 at 64 px, 3 at 96 px; batches of 16; seed 7; 0.0 h of training by the clock" in text
    assert "of 60 patients" in text and "though some patients have several" in text


def test_folds_drawn_again_are_told_with_how_far_the_draws_lie_apart(written, tmp_path, monkeypatch):
    monkeypatch.setattr(write, "write_figure", lambda *_: None)
    again = study(repeats=3)
    write_study(again, tmp_path, DRAWS)
    text = (tmp_path / "table2.md").read_text(encoding="utf-8")
    assert "One patient-wise split, drawn 3 times, each patient tested in one a draw; of the first" in text
    best = again.aucs[Cell("resnet101", "fused")][0]
    assert f"ResNet-101 US+MRI {best:.3f} to {best + 0.02:.3f}." in text
    assert "the mean of 3 networks', one of each draw" in text and "\n10 networks a fold, each from" in text
    assert "the mean of 3 networks'" in (tmp_path / "claim.md").read_text(encoding="utf-8")
    assert "A draw alone" not in (written[0] / "table2.md").read_text(encoding="utf-8")


def test_what_does_not_fit_in_the_paper_stands_beside_its_figures(written):
    folder, _, _ = written
    text = (folder / "table1.md").read_text(encoding="utf-8")
    (line,) = [line for line in text.splitlines() if line.startswith("| ResNet-50 US |")]
    assert line.endswith("| accuracy outside [sensitivity, specificity]: no one test set gives it |")
    assert "| implies 6 % malignant |" in text
    assert "- Its text calls all 154 patients invasive ductal carcinoma" in text
    assert "paper" not in (folder / "table3.md").read_text(encoding="utf-8")


def test_the_prevalence_that_the_rates_imply():
    implied = {row: paper.prevalence for row, paper in PUBLISHED.items()}
    assert implied["resnet50", "us"] is None and implied["resnet50", "mri"] is None
    known = [share for share in implied.values() if share is not None]
    assert (min(known), max(known)) == pytest.approx((0.063, 0.683), abs=1e-3)


def test_a_csv_row_is_a_figure(written):
    folder, _, (one, _, three) = written
    table = pd.read_csv(folder / "table1.csv")
    assert len(table) == 6 * 3
    first = table.iloc[0]
    metric = one.rows[0].metrics["accuracy"]
    assert (first["row"], first["figure"], first["n"], first["paper"]) == ("CNN US", "accuracy", N, 0.8574)
    assert (first["value"], first["low"], first["high"]) == pytest.approx(
        (metric.value, metric.low, metric.high)
    )
    assert pd.read_csv(folder / "table3.csv")["paper"].isna().all()
    assert list(pd.read_csv(folder / "table3-differences.csv")["second"]) == [
        row.name for row in three.rows if row is not three.rows[1]
    ]


def test_networks_are_compared_on_the_same_input_and_inputs_on_the_same_network():
    pairs = [(first.name, second.name) for first, second in planned(study_rows(study(), ("us", "mri")))]
    assert len(pairs) == 9
    assert ("ResNet-101 US", "CNN US") in pairs and ("CNN MRI", "CNN US") in pairs
    assert ("ResNet-101 MRI", "CNN US") not in pairs


def test_differences_are_paired_and_corrected_over_their_table(written):
    _, own, (one, two, three) = written
    assert [len(table.compared) for table in (one, two, three)] == [9, 9, 4]
    first = two.compared[0]
    rows = {row.name: row for row in study_rows(own, ("us", "mri", "fused"))}
    alone = evaluate.compare_auc(own.label, rows[first.first].odds, rows[first.second].odds)
    assert first.auc == alone
    corrected = evaluate.holm({str(k): one.auc.p for k, one in enumerate(two.compared)})
    assert [one.auc_p for one in two.compared] == pytest.approx(list(corrected.values()))
    assert first.over_patients.low < first.auc.difference.value < first.over_patients.high


def test_the_order_of_networks_is_told(written):
    folder, _, (_, two, _) = written
    text = (folder / "table2.md").read_text(encoding="utf-8")
    assert "The paper's, from worst to best: CNN < ResNet-50 < ResNet-101." in text
    assert f"Here by AUC: {ranked(two.rows, 'auc')}." in text


@pytest.mark.parametrize(
    ("aucs", "told"),
    [
        ((0.7, 0.8, 0.9), "CNN 0.700 < ResNet-50 0.800 < ResNet-101 0.900; the same order"),
        ((0.9, 0.7, 0.8), "ResNet-50 0.700 < ResNet-101 0.800 < CNN 0.900; another order"),
        ((0.7, 0.7, 0.9), "CNN 0.700 = ResNet-50 0.700 < ResNet-101 0.900; no order, for ties"),
    ],
)
def test_the_order_is_the_papers_only_where_no_two_are_alike(written, aucs, told):
    rows = [
        replace(row, metrics={"auc": Metric(auc, 0.5, 1.0, N)})
        for row, auc in zip(written[2][1].rows, aucs, strict=True)
    ]
    assert ranked(rows, "auc").replace(" (0.500–1.000)", "") == told


def test_registration_is_worth_what_is_lost_without_it(written):
    folder, _, (_, _, three) = written
    assert [row.name.partition(", ")[2] for row in three.rows] == [
        "native MRI",
        "registered MRI",
        "5 mm off",
        "10 mm off",
        "15 mm off",
    ]
    lost = [one.auc.difference.value for one in three.compared]
    assert min(lost) > 0 and lost[1:] == sorted(lost[1:])
    assert "ResNet-101, registered MRI − ResNet-101, native MRI" in (folder / "table3.md").read_text(
        encoding="utf-8"
    )
    assert all(one.first == "ResNet-101, registered MRI" for one in three.compared)


@pytest.mark.parametrize("name", ["claim", "tripod-ai"])
def test_the_checklists_stand_beside_the_tables(written, name):
    text = (written[0] / f"{name}.md").read_text(encoding="utf-8")
    assert SIMULATED in text and "| **open** |" in text


@pytest.mark.parametrize(
    ("keep", "told"), [("best", "the best AUC on validation"), ("last", "The last epoch")]
)
def test_the_checklists_tell_which_epoch_was_kept(keep, told):
    own = study()
    assert told in study_facts(replace(own, recipe=replace(own.recipe, keep=keep)))["selection"]


def test_figures_are_drawn_for_every_table(written):
    folder, _, _ = written
    kinds = ("accuracy", "roc", "reliability", "decision")
    names = {f"{table}-{kind}" for table in ("table1", "table2", "table3") for kind in kinds}
    assert {path.stem for path in (folder / "figures").glob("*.svg")} == names
    svg = (folder / "figures" / "table1-accuracy.svg").read_text(encoding="utf-8")
    assert "software verification, not clinical evidence" in svg
    assert "published, no interval given" in svg and "ResNet-50 MRI, n = 120" in svg
    assert "published" not in (folder / "figures" / "table3-accuracy.svg").read_text(encoding="utf-8")


def test_the_same_study_writes_the_same_tables():
    first, second = (study_tables(study(), DRAWS) for _ in range(2))
    assert [table.compared for table in first] == [table.compared for table in second]
