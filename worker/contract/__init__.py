"""Plain data that the API and the workers share: specs, jobs, results, model cards, errors, settings.

Imports pydantic, Pillow's header reader and the standard library only, so that the API needs no torch.
"""
