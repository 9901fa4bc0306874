"""Typed errors. Each carries a message that says what failed, which file, and what to do next."""

from __future__ import annotations

from breastview.messages import Message, Param, message, render


class BreastViewError(Exception):
    """Base of all errors that are meant for the user; `str()` gives the English sentence."""

    def __init__(self, msg: Message) -> None:
        super().__init__(render(msg))
        self.message = msg

    @classmethod
    def of(cls, code: str, **params: Param) -> BreastViewError:
        """Make the error from a message code."""
        return cls(message(code, **params))


class CaseError(BreastViewError):
    """A patient folder cannot be opened, or an image in it cannot be loaded."""


class CaseGone(CaseError):
    """Images that the scan found are no longer in the folder: nothing may be taken for black or absent."""


class RegistrationError(BreastViewError):
    """A registration cannot be computed from what was given."""


class RecordError(BreastViewError):
    """A review record cannot be read or written."""


class ModelError(BreastViewError):
    """A model bundle is unusable, or the model process failed."""


class ReportError(BreastViewError):
    """A report cannot be written."""


class Cancelled(BreastViewError):
    """The user cancelled the job."""
