"""What Dai & Zhang published (Chinese J. Med. Phys. 2026, doi 10.3969/j.issn.1005-202X.2026.03.006), and what
in it does not fit. It is reported against, never claimed to be reproduced."""

from __future__ import annotations

from dataclasses import dataclass

SOURCE = "Dai & Zhang 2026, doi 10.3969/j.issn.1005-202X.2026.03.006; 154 patients, 167 lesions"
ORDER = ("cnn", "resnet50", "resnet101")  # from worst to best, for each modality and both
NAMES = {"cnn": "CNN", "resnet50": "ResNet-50", "resnet101": "ResNet-101"}
ARM_NAMES = {"us": "US", "mri": "MRI", "fused": "US+MRI"}


@dataclass(frozen=True)
class Published:
    """One row of the paper's tables; it gives an AUC for both modalities together only."""

    accuracy: float
    sensitivity: float
    specificity: float
    auc: float | None = None

    @property
    def prevalence(self) -> float | None:
        """The share of malignant cases that the three rates imply, accuracy being sensitivity and specificity
        weighted by it; None where no share gives them."""
        share = (self.accuracy - self.specificity) / (self.sensitivity - self.specificity)
        return share if 0 <= share <= 1 else None

    @property
    def note(self) -> str:
        """What does not fit within the row, or between it and the other rows."""
        if self.prevalence is None:
            return "accuracy outside [sensitivity, specificity]: no one test set gives it"
        return f"implies {100 * self.prevalence:.0f} % malignant"


PUBLISHED = {
    ("cnn", "us"): Published(0.8574, 0.8692, 0.8530),
    ("cnn", "mri"): Published(0.8620, 0.8711, 0.8590),
    ("cnn", "fused"): Published(0.8872, 0.8990, 0.8801, 0.8821),
    ("resnet50", "us"): Published(0.8621, 0.8697, 0.8700),
    ("resnet50", "mri"): Published(0.8718, 0.8755, 0.8765),
    ("resnet50", "fused"): Published(0.9012, 0.9063, 0.8902, 0.8955),
    ("resnet101", "us"): Published(0.8856, 0.8901, 0.8823),
    ("resnet101", "mri"): Published(0.8907, 0.9011, 0.8900),
    ("resnet101", "fused"): Published(0.9213, 0.9366, 0.9104, 0.9034),
}

NOTES = (
    "Its text calls all 154 patients invasive ductal carcinoma; a specificity needs benign lesions.",
    "It names no split into training and test cases, and gives no interval and no n for any figure.",
    "ResNet-50's accuracies on US and on MRI lie outside [sensitivity, specificity]: no test set gives them.",
    "The share of malignant cases that the other rows imply runs from 6 % to 68 %; a test set has one.",
    "Its equation 2 writes two convolutions a block; its text, rightly, has three.",
)
