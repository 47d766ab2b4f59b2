"""`Run`, a trained model in its folder, and `Generation`, what it wrote.

::

    <run>/run.json              name, corpus, model and training options
    <run>/tokenizer.json
    <run>/checkpoints.json      which checkpoints are the last and the best (see `training.checkpoint`)
    <run>/checkpoints/…
    <run>/moments/step-….safetensors   traces of the probe text during training
    <run>/skills.json           the skill table of the best checkpoint, once asked for

Every file is written whole or not at all.
"""

from attn_widgets.generation.result import Generation, GenerationInterrupted
from attn_widgets.generation.skills import SkillScore, SkillTable, format_skills
from attn_widgets.run.files import CorpusNote
from attn_widgets.run.moments import record_moment
from attn_widgets.run.run import Run

__all__ = [
    "CorpusNote",
    "Generation",
    "GenerationInterrupted",
    "Run",
    "SkillScore",
    "SkillTable",
    "format_skills",
    "record_moment",
]
