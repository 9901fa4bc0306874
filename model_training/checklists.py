"""CLAIM and TRIPOD+AI, filled from a run as far as a run knows; the rest is open, for the authors to write.

Items in our own words after CLAIM 2024 (Tejani et al., Radiology: AI 6:e240300, 2024) and TRIPOD+AI (Collins
et al., BMJ 385:e078378, 2024). `says` names the facts of a run that answer an item; an item that names none,
or whose facts a run lacks, is open.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model_training.markdown import table

OPEN = "**open**"


@dataclass(frozen=True)
class Item:
    """One item: its number, the part of the paper, what is asked in a few words, the facts that answer it."""

    number: str
    section: str
    asked: str
    says: tuple[str, ...] = ()

    def told(self, facts: Mapping[str, str]) -> str:
        """What the run says of it, or that it is open."""
        known = [facts[name] for name in self.says if facts.get(name)]
        return " ".join(known) if known else OPEN


CLAIM = (
    Item("1", "Title", "named as a study of AI, with its kind", ("kind",)),
    Item("2", "Abstract", "structured summary of design, methods, results, conclusions"),
    Item("3", "Introduction", "background, intended use and role of the AI"),
    Item("4", "Introduction", "aims, objectives, hypotheses"),
    Item("5", "Study design", "prospective or retrospective"),
    Item("6", "Study design", "goal: model creation, exploration, feasibility, non-inferiority", ("goal",)),
    Item("7", "Data", "where the data came from", ("sources",)),
    Item("8", "Data", "inclusion and exclusion, how, where and when", ("criteria",)),
    Item("9", "Data", "preprocessing", ("preprocessing",)),
    Item("10", "Data", "selection of parts of images or subsets", ("subsets",)),
    Item("11", "Data", "how data were de-identified", ("deidentification",)),
    Item("12", "Data", "how missing data were handled", ("missing",)),
    Item("13", "Data", "image acquisition protocol", ("scanners",)),
    Item("14", "Reference standard", "its definition", ("reference",)),
    Item("15", "Reference standard", "why it was chosen"),
    Item("16", "Reference standard", "who annotated, with what qualification"),
    Item("17", "Reference standard", "how the test set was annotated"),
    Item("18", "Reference standard", "variability between and within annotators"),
    Item("19", "Data partitions", "how data were assigned to parts, and shares", ("partitions",)),
    Item("20", "Data partitions", "level at which the parts are disjoint", ("level",)),
    Item("21", "Testing data", "intended sample size", ("size",)),
    Item("22", "Model", "inputs, outputs, every layer and connection", ("network",)),
    Item("23", "Model", "software, libraries, versions", ("software",)),
    Item("24", "Model", "how parameters were initialised", ("start",)),
    Item("25", "Training", "augmentation, hyperparameters, number of models", ("recipe",)),
    Item("26", "Training", "how the final model was chosen", ("selection",)),
    Item("27", "Training", "ensembling", ("ensemble",)),
    Item("28", "Evaluation", "metrics of performance", ("metrics",)),
    Item("29", "Evaluation", "significance and uncertainty", ("statistics",)),
    Item("30", "Evaluation", "robustness or sensitivity analysis", ("robustness",)),
    Item("31", "Evaluation", "explainability", ("explainability",)),
    Item("32", "Evaluation", "on internal data", ("internal",)),
    Item("33", "Evaluation", "on external data", ("external",)),
    Item("34", "Evaluation", "registration of the trial"),
    Item("35", "Results", "patients included and excluded", ("flow",)),
    Item("36", "Results", "characteristics of each part", ("characteristics",)),
    Item("37", "Results", "performance on all parts, with uncertainty", ("performance",)),
    Item("38", "Results", "diagnostic accuracy and its precision", ("accuracy",)),
    Item("39", "Results", "analysis of the cases that went wrong"),
    Item("40", "Discussion", "limitations", ("limitations",)),
    Item("41", "Discussion", "implications for practice"),
    Item("42", "Other", "full protocol or further technical detail", ("detail",)),
    Item("43", "Other", "availability of software, model, data"),
    Item("44", "Other", "funding and role of funders"),
)

TRIPOD_AI = (
    Item("1", "Title", "develops or evaluates a prediction model, in whom, of what", ("kind",)),
    Item("2", "Abstract", "by TRIPOD+AI for abstracts"),
    Item("3a", "Introduction", "health-care context, why, existing models"),
    Item("3b", "Introduction", "target population, purpose and users in the pathway"),
    Item("3c", "Introduction", "known inequalities between groups"),
    Item("4", "Introduction", "objectives: development or evaluation", ("goal",)),
    Item("5a", "Methods: data", "sources of development and evaluation data", ("sources",)),
    Item("5b", "Methods: data", "dates of the data"),
    Item("6a", "Methods: participants", "setting, number and place of centres"),
    Item("6b", "Methods: participants", "eligibility", ("criteria",)),
    Item("6c", "Methods: participants", "treatments received and how handled"),
    Item("7", "Methods: data", "preparation and quality checks, alike across groups", ("preprocessing",)),
    Item("8a", "Methods: outcome", "definition, time horizon, how and when assessed", ("reference",)),
    Item("8b", "Methods: outcome", "who assessed it, if judgement is needed"),
    Item("8c", "Methods: outcome", "blinding of its assessment"),
    Item("9a", "Methods: predictors", "choice of initial predictors", ("inputs",)),
    Item("9b", "Methods: predictors", "definition of each, how and when measured", ("preprocessing",)),
    Item("9c", "Methods: predictors", "who assessed them, if judgement is needed"),
    Item("10", "Methods: sample size", "how it was arrived at", ("size",)),
    Item("11", "Methods: missing data", "how handled, and why omitted", ("missing",)),
    Item("12a", "Methods: analysis", "how data were used and partitioned", ("partitions", "level")),
    Item("12b", "Methods: analysis", "how predictors were scaled and transformed", ("preprocessing",)),
    Item(
        "12c",
        "Methods: analysis",
        "kind of model, all steps of building it",
        ("network", "recipe", "selection"),
    ),
    Item("12d", "Methods: analysis", "heterogeneity between clusters such as centres"),
    Item("12e", "Methods: analysis", "measures and plots of performance", ("metrics", "statistics")),
    Item("12f", "Methods: analysis", "updating, such as recalibration", ("calibration",)),
    Item("12g", "Methods: analysis", "how predictions were computed in evaluation", ("predictions",)),
    Item("13", "Methods: imbalance", "handling of class imbalance", ("imbalance",)),
    Item("14", "Methods: fairness", "approaches to fairness"),
    Item("15", "Methods: output", "what the model puts out, thresholds", ("output",)),
    Item("16", "Methods: comparison", "differences between development and evaluation data", ("internal",)),
    Item("17", "Methods: ethics", "approval and consent", ("ethics",)),
    Item("18a", "Open science", "funding"),
    Item("18b", "Open science", "conflicts of interest"),
    Item("18c", "Open science", "protocol", ("detail",)),
    Item("18d", "Open science", "registration"),
    Item("18e", "Open science", "availability of data"),
    Item("18f", "Open science", "availability of code"),
    Item("19", "Involvement", "patients and public"),
    Item("20a", "Results: participants", "flow, with and without the outcome", ("flow",)),
    Item("20b", "Results: participants", "characteristics, by source", ("characteristics",)),
    Item("20c", "Results: participants", "comparison of development and evaluation data"),
    Item("21", "Results: development", "participants and outcomes of each analysis", ("partitions",)),
    Item("22", "Results: specification", "the full model, so that others can predict", ("detail",)),
    Item("23a", "Results: performance", "with intervals, subgroups too", ("performance",)),
    Item("23b", "Results: performance", "heterogeneity between clusters"),
    Item("24", "Results: updating", "results of updating"),
    Item("25", "Discussion", "interpretation, fairness among it"),
    Item("26", "Discussion", "limitations", ("limitations",)),
    Item("27a", "Discussion", "poor or missing input in use", ("missing",)),
    Item("27b", "Discussion", "interaction and expertise that users need"),
    Item("27c", "Discussion", "next steps, applicability"),
)

TITLES = {"claim": "CLAIM 2024", "tripod-ai": "TRIPOD+AI"}
CHECKLISTS = {"claim": CLAIM, "tripod-ai": TRIPOD_AI}


def checklist(name: str, facts: Mapping[str, str], heading: Sequence[str] = ()) -> str:
    """One of `CHECKLISTS` in Markdown, open items marked and counted; `heading` comes first."""
    items = CHECKLISTS[name]
    rows = [(item.number, item.section, item.asked, item.told(facts)) for item in items]
    count = sum(told == OPEN for *_, told in rows)
    blocks = [
        f"# {TITLES[name]}",
        *heading,
        f"{len(items)} items, {count} of them open: the run does not know, the authors must write them. Page "
        "numbers are the manuscript's.",
        table(("item", "section", "what is asked", "what the run says"), rows),
    ]
    return "\n\n".join(blocks) + "\n"
