"""Training of the shipped models, for instance `python -m models.training.digits`. Nothing at run time needs it."""
