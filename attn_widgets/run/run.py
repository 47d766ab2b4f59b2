"""`Run`: a trained model with its tokenizer, options and history, in a folder of its own."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from attn_widgets.capture import Ablation, capture_trace, compare_ablation, compare_pair_ablation, model_hash
from attn_widgets.config import GenerateConfig, ModelConfig, TrainConfig
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.flags.options import checked, nearest, options
from attn_widgets.generation.decode import ablated_heads, generate_tokens
from attn_widgets.generation.result import Generation, GenerationInterrupted, joins
from attn_widgets.generation.skills import SkillTable, score_skills
from attn_widgets.generation.tasks import TaskScore, score_task
from attn_widgets.history import History
from attn_widgets.models import MODELS
from attn_widgets.run.facts import as_table, facts
from attn_widgets.run.files import CorpusNote, Description, find_run, read_description, read_history, write_description
from attn_widgets.run.moments import read_moments
from attn_widgets.run.pairs import answered, write_answer
from attn_widgets.text.corpus import Corpus, open_task
from attn_widgets.text.pairs import encode_pairs
from attn_widgets.text.sentences import skill_items
from attn_widgets.text.tasks import SEPARATOR
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace
from attn_widgets.trace.blocks import Meta
from attn_widgets.training.checkpoint import Which, load_weights, pointers
from attn_widgets.training.search import SearchResult, read_search
from attn_widgets.training.storage import write_file

Made = TypeVar("Made")


class Run:
    """A trained model, to generate with and to look into. Weights are read when they are first needed.

    Parameters
    ----------
    folder
        Its place on disk; the last part is its name.
    described
        Corpus, options and tokenizer.
    """

    def __init__(self, folder: Path, described: Description) -> None:
        self.folder, self.name = folder, folder.name
        self._described = described
        self.corpus, self.model_config, self.train_config, self.tokenizer = described
        self._read: dict[str, tuple[str, Any]] = {}  # what came from which checkpoint

    @classmethod
    def create(
        cls,
        folder: str | Path,
        corpus: Corpus,
        tokenizer: Tokenizer,
        model_config: ModelConfig,
        train_config: TrainConfig,
    ) -> Run:
        """Write a run that is about to be trained, or whose options changed on resume."""
        place = Path(folder).absolute()
        described = Description(CorpusNote.of(corpus), model_config, train_config, tokenizer)
        write_description(place, described)
        return cls(place, described)

    @classmethod
    def load(cls, run: str | Path, runs: str | Path = "attn_runs") -> Run:
        """Open a run by its folder, or by its name among `runs`.

        Raises
        ------
        RunError
            When it is not there, or damaged.
        """
        folder = find_run(run, runs)
        return cls(folder, read_description(folder))

    @property
    def model(self) -> Any:
        """The best weights so far, on the CPU, in evaluation mode."""
        return self._of_checkpoint("best", self._load_model, "model")

    @property
    def history(self) -> History:
        """Losses of every step and of every validation."""
        return self._of_checkpoint("last", lambda: read_history(self.folder), "history")

    @property
    def perplexity(self) -> float | None:
        """Of the best validation, per token; None before the first."""
        best = self.history.best
        return None if best is None else math.exp(best.loss)

    def generate(
        self,
        prompt: str | None = None,
        *,
        on_text: Callable[[str], None] | None = None,
        trace: bool = True,
        **given: Any,
    ) -> Generation:
        """Continue a prompt.

        Parameters
        ----------
        prompt
            The corpus's own when None. An empty one starts from the start token.
        on_text
            Called with each increment of the text, as it comes.
        trace
            Whether to keep what the heads look at; next to free.
        **given
            The fields of `GenerateConfig`: ``max_new_tokens``, ``temperature``, ``top_k``, ``stop``, ``ablate``…

        Raises
        ------
        ConfigError
            For an unknown option, a value that cannot work, or an empty prompt without a start token.
        GenerationInterrupted
            When interrupted; its ``generation`` is what there is.
        """
        config, text = _config(given), self.corpus.prompt if prompt is None else prompt
        model = self.model
        if self.model_config.reads_pairs:
            meta = self._meta(text, config.ablate)
            notes = self._notes(text, "the source")
            return write_answer(
                model, self.tokenizer, text, config, meta=meta, notes=notes, on_text=on_text, trace=trace
            )
        if config.beams > 1 or config.length_penalty:
            raise ConfigError(
                f"--beams {config.beams} and --length-penalty {config.length_penalty:g} are for models that read "
                f"pairs; --model {self.model_config.model} samples: try --top-k or --temperature"
            )
        text = self._asked(text)
        ids, notes = self._encode(text, "the prompt")
        decoded = generate_tokens(
            model, ids.tolist(), config, end_id=self.tokenizer.end_id, decode=self.tokenizer.decode,
            joins=joins(self.tokenizer, text), on_text=on_text, trace=trace,
        )  # fmt: skip
        tokens = self.tokenizer.tokens([*decoded.prompt_ids, *decoded.ids])[len(decoded.prompt_ids) :]
        about = self._meta(text + decoded.text, config.ablate)
        read = np.array([*decoded.prompt_ids, *decoded.ids])
        generation = Generation(
            text, decoded.text, tuple(decoded.ids), tuple(tokens), *decoded.choices.arrays(), decoded.stop_reason,
            (*notes, *decoded.notes), decoded.seconds, decoded, self.tokenizer,
            lambda: {"model": model_hash(model), **about},
            (lambda: self._traced(read, config.ablate, about)) if trace else None,
        )  # fmt: skip
        if decoded.stop_reason == "interrupted":
            raise GenerationInterrupted(generation)
        return generation

    def trace(self, text: str | None = None, ablate: Sequence[str] = ()) -> AttentionTrace:
        """Read a text (the corpus's prompt when None) and keep what every head looks at.

        Unknown words stay in their column as ‹unknown›; ``trace.meta["notes"]`` names them.

        Raises
        ------
        AttnError
            When the text has no tokens or too many, or a head of `ablate` is not there.
        """
        text = self.corpus.prompt if text is None else text
        if self.model_config.reads_pairs:
            return self.generate(text, ablate=tuple(_texts(ablate))).trace
        ids, notes = self._encode(text, "the text")
        meta = {"run": self.name, "text": text, **({"notes": "; ".join(notes)} if notes else {})}
        return self._traced(ids, _texts(ablate), meta)

    def _traced(self, ids: np.ndarray, ablate: Sequence[str], meta: Meta) -> AttentionTrace:
        heads, shown = ablated_heads(ablate), self.tokenizer
        return capture_trace(self.model, ids, shown.tokens(ids), shown.token, ablate=heads, meta=meta)

    def ablation(self, text: str | Generation, heads: Sequence[str]) -> Ablation:
        """Predictions after every token of a text or a generation, with all heads and without `heads`."""
        if self.model_config.reads_pairs:
            told = self.generate(text) if isinstance(text, str) else text
            pair = answered(self.tokenizer, told.prompt_ids, told.ids)
            return compare_pair_ablation(self.model, pair, self.tokenizer.token, ablated_heads(_texts(heads)))
        ids = self._encode(text, "the text")[0] if isinstance(text, str) else [*text.prompt_ids, *text.ids]
        return compare_ablation(self.model, np.asarray(ids), self.tokenizer.token, ablated_heads(_texts(heads)))

    def skills(self, ablate: Sequence[str] = ()) -> SkillTable:
        """Accuracy of every skill of the ``sentences`` corpus, and the head that does it.

        Raises
        ------
        RunError
            When the run was trained on another corpus.
        """
        if self.corpus.grammar != "sentences":
            raise RunError(f"skills are scored on the corpus 'sentences'; this run was trained on {self.corpus.name!r}")
        heads = ablated_heads(_texts(ablate))
        if heads:
            return score_skills(self.model, self.tokenizer, skill_items(), heads)
        return self._of_checkpoint("best", self._load_skills, "skills")

    def score(self) -> TaskScore:
        """Share of right answers to the test items of the task that the run was trained on.

        Raises
        ------
        RunError
            When it was trained on text.
        """
        if self.corpus.task_from is None:
            raise RunError(f"this run was trained on {self.corpus.name!r}, which is no task; try run.skills()")
        return self._of_checkpoint("best", self._load_score, "score")

    @property
    def search(self) -> SearchResult | None:
        """What ``--search`` found before this run was trained; None where nothing was searched."""
        return read_search(self.folder)

    @property
    def moments(self) -> list[tuple[int, AttentionTrace]]:
        """Traces of the probe text during training, as pairs (step, trace)."""
        return read_moments(self.folder)

    def __repr__(self) -> str:
        config = self.model_config
        shape = f"layers={config.layers}, heads={config.heads}, dim={config.dim}, context={config.context}"
        return f"Run({self.name!r}, {shape})"

    def _repr_html_(self) -> str:
        history = self.history if pointers(self.folder) else None
        return as_table(facts(self.folder, self._described, history))

    def _encode(self, text: str, what: str) -> tuple[np.ndarray, list[str]]:
        """Ids with the start token, and a note on what the vocabulary lacks."""
        if not isinstance(text, str):
            raise ConfigError(f"{what} must be text; given {type(text).__name__}")
        return self.tokenizer.encode_prompt(text), self._notes(text, what)

    def _notes(self, text: str, what: str) -> list[str]:
        unknown = self.tokenizer.unknown(text)
        kind = "characters" if self.tokenizer.kind == "char" else "words"
        listed = ", ".join(map(repr, unknown[:8])) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
        return [f"{what} has {kind} that the model never saw, read as ‹unknown›: {listed}"] if unknown else []

    def _asked(self, text: str) -> str:
        """Put the separator behind a question, where a task was learnt and none is there yet."""
        if self.corpus.task_from is None or SEPARATOR in text:
            return text
        gap = " " if self.tokenizer.kind == "word" else ""
        return f"{text}{gap}{SEPARATOR}"

    def _meta(self, text: str, ablate: Sequence[str]) -> dict[str, str]:
        about = {"run": self.name, "text": text, "ablate": " ".join(ablate)}
        return {name: value for name, value in about.items() if value}

    def _of_checkpoint(self, which: Which, read: Callable[[], Made], key: str) -> Made:
        """Read something once for each checkpoint."""
        names = pointers(self.folder)
        if which not in names:
            raise RunError(f"run {self.name!r} has no checkpoint yet; train it first")
        if self._read.get(key, ("", None))[0] != names[which]:
            self._read[key] = (names[which], read())
        made: Made = self._read[key][1]
        return made

    def _load_model(self) -> Any:
        model = MODELS[self.model_config.model](self.model_config, self.tokenizer.vocab_size)
        try:
            model.load_state_dict(load_weights(self.folder, "best"))
        except RuntimeError as error:
            if isinstance(error, AttnError):
                raise
            raise RunError(
                f"run {self.name!r}: its weights do not fit its options; train again with --overwrite"
            ) from error
        return model.eval()

    def _load_skills(self) -> SkillTable:
        path, checkpoint = self.folder / "skills.json", pointers(self.folder)["best"]
        try:
            found = json.loads(path.read_bytes())
            if found["checkpoint"] == checkpoint:
                return SkillTable.from_dicts(found["scores"])
        except (OSError, ValueError, KeyError, TypeError):
            pass  # scored again below
        scores = score_skills(self.model, self.tokenizer, skill_items())
        write_file(path, json.dumps({"checkpoint": checkpoint, "scores": scores.to_dicts()}, indent=1).encode())
        return scores

    def _load_score(self) -> TaskScore:
        assert self.corpus.task_from is not None
        task = open_task(self.corpus.task_from)
        joined = not self.model_config.reads_pairs
        files = encode_pairs(task, self.tokenizer, joined=joined, limit=1, lengths="truncate")
        return score_task(self.model, files, task)


def _config(given: dict[str, Any]) -> GenerateConfig:
    """Check keywords as the flags are checked."""
    known = options((GenerateConfig,))
    for name in given:
        if name not in known:
            near = nearest(name, known) or f"there are {', '.join(known)}"
            raise ConfigError(f"generate() has no option {name}; check the spelling: {near}")
    return GenerateConfig(**{name: checked(known[name], value, name) for name, value in given.items()})


def _texts(names: str | Sequence[str]) -> Sequence[str]:
    """Take one name where several are wanted."""
    return [names] if isinstance(names, str) else names
