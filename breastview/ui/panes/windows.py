"""The grey values that a pane shows its images in: as a hand changes them, then as the record keeps them."""

from __future__ import annotations

from breastview.records.values import GreyWindow
from breastview.review.actions import SetWindow
from breastview.ui.session import Session

Window = tuple[float, float]  # centre and width


class Windows:
    """The windows of one pane. What a hand has changed is kept in the record once it lets go."""

    def __init__(self, session: Session, narrowest: float) -> None:
        self._session, self._narrowest = session, narrowest
        self._in_hand: dict[str, Window] = {}

    def of(self, key: str, usual: Window) -> Window:
        """The window of an image; the `usual` one while the reader has set none."""
        kept = self._session.state.record.window(key) if self._session.review else None
        return self._in_hand.get(key) or kept or usual

    def change(self, key: str, usual: Window, centre: float, width: float) -> None:
        """Move centre and width by shares of the present width."""
        old_centre, old_width = self.of(key, usual)
        self._in_hand[key] = old_centre + centre * old_width, max(old_width * (1 + width), self._narrowest)

    def keep(self) -> None:
        """The hand has let go."""
        for key in list(self._in_hand):
            self._session.dispatch(SetWindow(GreyWindow(key, *self._in_hand.pop(key))))

    def forget(self) -> None:
        """Another case is open."""
        self._in_hand = {}
