"""The weighted-fusion model: what it sees, what it answers, and whether it may answer."""
