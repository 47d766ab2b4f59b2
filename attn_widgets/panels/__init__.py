"""Panels: views of attention and of training as widgets, static pictures and offline pages.

They know traces and NumPy, neither torch nor how a model is run.
"""
