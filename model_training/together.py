"""One network for those of a cross-validation in which classifiers alone learned.

It has their trunk and the mean of their classifiers, and so says what they say on average. It is kept as a
run for `graft`; beside it stands what was said of each case by those that had not seen it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from breastview.fusion.network import FusionNetwork
from breastview.fusion.spec import Metric
from breastview.whole import written_whole
from model_training import evaluate
from model_training.calibrate import Answered, Head
from model_training.cohort.samples import Samples
from model_training.recipe import HEADS_ONLY
from model_training.run_folder import Settings, begin, keep_chosen, keeping, log_lines, save, write_line

TOGETHER = "together"
HEAD = "head.pt"  # of a network whose trunk is that of all
_UNSEEN = "unseen.npz"


@dataclass(frozen=True, eq=False)
class Unseen:
    """What networks say of cases that they did not see: logits (case, 2), and, as far as these were to be
    trusted on still other cases, calibrated log odds (case,) and calls bool (case,)."""

    logits: np.ndarray
    odds: np.ndarray
    called: np.ndarray

    @classmethod
    def of(cls, logits: np.ndarray, head: Head) -> Unseen:
        """What comes of logits (case, 2) where they are trusted as `head` says."""
        return cls(logits, *head.says(logits))

    @classmethod
    def joined(cls, parts: Sequence[Unseen]) -> Unseen:
        """All parts, one after the other."""
        arrays = zip(*((part.logits, part.odds, part.called) for part in parts), strict=True)
        return cls(*map(np.concatenate, arrays))

    def take(self, cases: np.ndarray) -> Unseen:
        """What is said of the cases at these places."""
        return Unseen(self.logits[cases], self.odds[cases], self.called[cases])

    def answered(self, samples: Samples) -> Answered:
        """The logits as those of `samples`."""
        return Answered(samples, {"us": self.logits})

    def metrics(self, samples: Samples) -> dict[str, Metric]:
        """The figures of `samples`."""
        return evaluate.metrics_of_calls(samples.label, self.odds, self.called, samples.patient)


def keep_head(run: Path, net: FusionNetwork) -> None:
    """Write the classifiers of a run's network; raises RunError where they cannot be written."""
    save(net.head.state_dict(), run / HEAD)


@torch.no_grad()
def keep_together(
    run: Path, settings: Settings, net: FusionNetwork, members: Sequence[Path], unseen: Unseen
) -> None:
    """Write `net`, whose trunk the members' is, with the mean of the members' classifiers.

    Raises:
        RunError: the run began otherwise, or it could not be written.
    """
    begin(run, settings)
    heads = [torch.load(member / HEAD, map_location="cpu", weights_only=True) for member in members]
    net.head.load_state_dict({name: torch.stack([head[name] for head in heads]).mean(0) for name in heads[0]})
    keep_chosen(run, net)
    last = [log_lines(member)[-1] for member in members]
    line = {
        "epoch": 1,
        "phase": HEADS_ONLY,
        "seconds": round(sum(one["seconds"] for one in last), 1),
        "hardware": last[0]["hardware"],
        "started_from": settings.started_from,
        "chosen": True,
        "networks": len(members),
    }
    write_line(run, line)
    with keeping(run / _UNSEEN), written_whole(run / _UNSEEN) as file:
        np.savez(file, logits=unseen.logits, odds=unseen.odds, called=unseen.called)


def said_unseen(run: Path) -> Unseen | None:
    """What was said of the cases of a run that `keep_together` wrote; None of another."""
    if not (run / _UNSEEN).exists():
        return None
    with np.load(run / _UNSEEN) as kept:
        return Unseen(kept["logits"], kept["odds"], kept["called"])
