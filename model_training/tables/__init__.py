"""The paper's tables from one's own cases: trained, measured, and written beside what was published."""
