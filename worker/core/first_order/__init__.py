"""First-order bounds: how far an attribution could move if it were linear near the image. Useful, never a certificate.

An attribution is not linear, so a move may do more damage than the bound says. Source: Wang and Kong, CVPR 2023.
"""
