"""Where the US image plane lies in the MRI volume."""
