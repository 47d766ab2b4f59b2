"""Models side by side on tasks: the same items, the same number of steps, several seeds."""

from attn_widgets.comparison.grid import CONTENDERS, COURSES, Cell, Contender, Course, cells
from attn_widgets.comparison.table import Comparison

__all__ = ["CONTENDERS", "COURSES", "Cell", "Comparison", "Contender", "Course", "cells"]
