"""Step 2: put the US plane where it lies in the MRI."""
