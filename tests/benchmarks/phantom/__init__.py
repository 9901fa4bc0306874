"""What is measured of the simulated patient: one module an idea, `__main__` puts them together."""
