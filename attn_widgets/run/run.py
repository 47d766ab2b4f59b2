"""`Run`: a trained model with its tokenizer, options and history, in a folder of its own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from attn_widgets.capture import Ablation, compare_ablation, compare_pair_ablation
from attn_widgets.config import ModelConfig, TrainConfig
from attn_widgets.errors import AttnError, ConfigError, RunError
from attn_widgets.generation.decode import ablated_heads
from attn_widgets.generation.result import Generation
from attn_widgets.generation.skills import SkillTable, score_skills
from attn_widgets.generation.tasks import TaskScore
from attn_widgets.history import History
from attn_widgets.models import make_model
from attn_widgets.run.encoders import TextReader, write_read
from attn_widgets.run.facts import facts
from attn_widgets.run.files import CorpusNote, Description, find_run, read_description, read_history, write_description
from attn_widgets.run.given import as_texts, check_given, options_of
from attn_widgets.run.moments import read_moments
from attn_widgets.run.pairs import answered, write_answer
from attn_widgets.run.scores import kept_skills, missing_score, missing_skills, task_score
from attn_widgets.run.sources import check_end, with_start
from attn_widgets.run.texts import trace_ids, write_on
from attn_widgets.tables import as_html
from attn_widgets.text.corpus import Corpus
from attn_widgets.text.encoder_corpus import without_masks
from attn_widgets.text.sentences import skill_items
from attn_widgets.text.tokenizers import Tokenizer
from attn_widgets.trace import AttentionTrace, Traces
from attn_widgets.training.checkpoint import Which, load_weights, pointers
from attn_widgets.training.search import SearchResult, read_search

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
        """Continue a prompt, answer a source, fill in the ``‹mask›`` of a text, or tell its class.

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
        config = options_of(given)
        check_given(given, self.model_config.model)
        text = self.corpus.prompt if prompt is None else prompt
        if not isinstance(text, str):
            raise ConfigError(f"the prompt must be text; given {type(text).__name__}")
        write, text = self._writer(text)
        return write(
            text, config, meta=self._meta(text, config.ablate), notes=self._notes(text), on_text=on_text, trace=trace
        )

    def _writer(self, text: str) -> tuple[Callable[..., Generation], str]:
        """Choose what writes, by the kind of model, and the text as it is asked."""
        if self.model_config.reads_pairs:
            return partial(write_answer, self.model, self.tokenizer), text
        if self.model_config.model == "encoder":
            return partial(write_read, self._reader()), text
        return partial(write_on, self.model, self.tokenizer), self._asked(text)

    def _reader(self) -> TextReader:
        return TextReader(self.model, self.tokenizer, self.corpus.labels)

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
            return self.generate(text, ablate=tuple(as_texts(ablate))).trace
        ids, notes = self._encode(text)
        meta = {"run": self.name, "text": text, **({"notes": "; ".join(notes)} if notes else {})}
        if self.model_config.model == "encoder":
            return self._reader().trace(ids, as_texts(ablate), meta)
        return trace_ids(self.model, self.tokenizer, ids, as_texts(ablate), meta)

    def traces(self, texts: Iterable[str], ablate: Sequence[str] = ()) -> Traces:
        """Read several texts; ``run.traces(texts).mean()`` is their mean, with its spread.

        Raises
        ------
        AttnError
            When there are none, or one cannot be traced.
        """
        if isinstance(texts, str):
            raise ConfigError(f"texts must be a list of texts; given one, {texts[:40]!r}; try run.trace(text)")
        return Traces([self.trace(text, ablate) for text in texts])

    def ablation(self, text: str | Generation, heads: Sequence[str]) -> Ablation:
        """Predictions after every token of a text or a generation, with all heads and without `heads`."""
        if self.model_config.reads_pairs:
            told = self.generate(text) if isinstance(text, str) else text
            pair = answered(self.tokenizer, told.prompt_ids, told.ids, self.model_config.context)
            return compare_pair_ablation(self.model, pair, self.tokenizer.token, ablated_heads(as_texts(heads)))
        if self.model_config.model == "encoder":
            read = self._encode(text)[0] if isinstance(text, str) else np.asarray(text.prompt_ids)
            return self._reader().ablation(read, as_texts(heads))
        ids = self._encode(text)[0] if isinstance(text, str) else [*text.prompt_ids, *text.ids]
        return compare_ablation(self.model, np.asarray(ids), self.tokenizer.token, ablated_heads(as_texts(heads)))

    def skills(self, ablate: Sequence[str] = ()) -> SkillTable:
        """Accuracy of every skill of the ``sentences`` corpus, and the head that does it.

        Raises
        ------
        RunError
            When the run was trained on another corpus, or cannot read the questions.
        """
        if self.skills_missing:
            raise RunError(self.skills_missing)
        heads = ablated_heads(as_texts(ablate))
        if heads:
            return score_skills(self.model, self.tokenizer, skill_items(), heads)
        return self._of_checkpoint("best", lambda: kept_skills(self.folder, self.model, self.tokenizer), "skills")

    @property
    def skills_missing(self) -> str:
        """Why the skills cannot be scored; '' where they can."""
        return missing_skills(self.corpus, self.model_config, self.tokenizer)

    def score(self) -> TaskScore:
        """Share of right answers to the test items of the task that the run was trained on.

        Raises
        ------
        RunError
            When it was trained on text, or the file of its pairs has changed since.
        """
        if missing := missing_score(self.corpus, self.skills_missing):
            raise RunError(missing)
        return self._of_checkpoint("best", lambda: task_score(self.model, self._described), "score")

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
        if config.model == "ngram":
            return f"Run({self.name!r}, model='ngram', order={config.order})"
        shape = f"layers={config.layers}, heads={config.heads}, dim={config.dim}, context={config.context}"
        return f"Run({self.name!r}, {shape})"

    def _repr_html_(self) -> str:
        history = self.history if pointers(self.folder) else None
        return as_html([*facts(self.folder, self._described, history).items()], heads="column")

    def _encode(self, text: str) -> tuple[np.ndarray, list[str]]:
        """Ids of a text to trace, with the start token, and notes: what the vocabulary lacks, what did not fit."""
        if not isinstance(text, str):
            raise ConfigError(f"the text must be text; given {type(text).__name__}")
        if self.model_config.model == "encoder":
            ids, cut = self._reader().ids(text)
            return ids, [*self._notes(text, "the text"), *cut]
        ids = self.tokenizer.encode_prompt(text)
        check_end(ids, self.model_config, with_start("the text", self.tokenizer))
        return ids, self._notes(text, "the text")

    def _notes(self, text: str, what: str = "") -> list[str]:
        what = what or ("the source" if self.model_config.reads_pairs else "the prompt")
        unknown = self.tokenizer.unknown(without_masks(text) if self.model_config.model == "encoder" else text)
        kind = "characters" if self.tokenizer.kind == "char" else "words"
        listed = ", ".join(map(repr, unknown[:8])) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
        return [f"{what} has {kind} that the model never saw, read as ‹unknown›: {listed}"] if unknown else []

    def _asked(self, text: str) -> str:
        """Put the separator behind a question, where a task was learnt and none is there yet."""
        between = self.corpus.between
        return text if not between or between.strip() in text else f"{text}{between}".rstrip()

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
        model = make_model(self.model_config, self.tokenizer.vocab_size, len(self.corpus.labels))
        try:
            model.load_state_dict(load_weights(self.folder, "best"))
        except RuntimeError as error:
            if isinstance(error, AttnError):
                raise
            raise RunError(
                f"run {self.name!r}: its weights do not fit its options; train again with --overwrite"
            ) from error
        return model.eval()
