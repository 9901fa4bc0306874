"""What is kept of a review: one JSON file a case, and nothing that names the patient."""
