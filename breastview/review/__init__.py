"""The open review: its state, the actions that change it, and its history. No Qt, no torch."""
