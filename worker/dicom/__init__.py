"""DICOM: files read into pictures as a clinician sees them, results written as objects, archives asked and told."""

import logging

from pydicom import config

# What pydicom has to say of a file it says with the file's values, and those name patients; OpenJPEG counts tiles.
for talker in ("pydicom", "openjpeg"):
    logging.getLogger(talker).propagate = False
config.settings.reading_validation_mode = config.IGNORE
