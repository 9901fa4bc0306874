"""The simulated patient: anatomy, the physics of both scanners, DICOM, and the true registration."""
