"""BreastView: read breast ultrasound and MRI together."""

__version__ = "0.1.0"
