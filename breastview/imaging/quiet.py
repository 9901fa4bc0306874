"""Keeps libraries from quoting header values in warnings and logs: those are patient data."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pydicom

for _name in ("pydicom", "nibabel", "PIL"):
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)
pydicom.config.settings.reading_validation_mode = pydicom.config.IGNORE


@contextmanager
def quiet() -> Iterator[None]:
    """Drop the warnings that are raised inside."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
