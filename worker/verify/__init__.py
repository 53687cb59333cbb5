"""Checking a certificate without trusting the code that made it: literal formulas from the definitions.

Reads the document alone; what needs the image and the model is in worker.service.verifier.
"""
