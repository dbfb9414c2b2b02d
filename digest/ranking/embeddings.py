"""Optional: the meaning of a text as one vector, by a static sentence model that lies in a local folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from digest.ranking.algebra import Floats, unit

MOST_LETTERS = 4_000  # of one text that are looked at; abstracts have 1,500
TABLES = ("embeddings", "embedding.weight", "0.embedding.weight")  # as Model2Vec and Sentence Transformers name it


class Unusable(ValueError):
    """The model cannot be used; the words say why and what to do."""


@dataclass(frozen=True)
class Embedder:
    """A vector for each token (`table`, tokens x width); a text is the mean of its tokens, of unit length.

    `name` tells models apart: rows of one mean nothing to another. `tokenize` gives the token ids of many texts.
    """

    name: str
    table: Floats
    tokenize: Callable[[list[str]], list[list[int]]]

    def rows(self, texts: Sequence[str]) -> Floats:
        """One unit row a text, x width; zeros for a text without known tokens."""
        tokens = self.tokenize([text[:MOST_LETTERS] for text in texts])
        starts = np.concatenate([[0], np.cumsum([len(own) for own in tokens])]).astype(np.int32)
        columns = np.concatenate([np.zeros(0, np.int32), *(np.array(own, np.int32) for own in tokens)])
        counts = sp.csr_array((np.ones(len(columns), np.float32), columns, starts), shape=(len(texts), len(self.table)))
        return unit(np.asarray(counts @ self.table, np.float32))


def load(folder: Path) -> Embedder:
    """A model of `tokenizer.json` and `model.safetensors`; nothing in it is executed, nothing is fetched.

    Raises Unusable when a package or a file is missing, or the files hold no such model.
    """
    try:
        from safetensors.numpy import load as read_tables
        from tokenizers import Tokenizer
    except ImportError as error:
        raise Unusable(
            f"{error.name} is not installed. Install digest[embeddings], or leave the setting empty."
        ) from None
    try:
        spelling, weights = (folder / "tokenizer.json").read_bytes(), (folder / "model.safetensors").read_bytes()
        tables = read_tables(weights)
        tokenizer = Tokenizer.from_str(spelling.decode())
    except Exception as error:  # both packages raise their own kinds for files that are not theirs
        raise Unusable(f"{folder} holds no model that can be read ({error}).") from error
    table = next((tables[name] for name in TABLES if name in tables), None)
    if table is None or table.ndim != 2 or len(table) < tokenizer.get_vocab_size():
        raise Unusable(f"{folder} holds no static model: one row for each token, under one of {', '.join(TABLES)}.")
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def tokenize(texts: list[str]) -> list[list[int]]:
        return [found.ids for found in tokenizer.encode_batch(texts, add_special_tokens=False)]

    return Embedder(sha256(spelling + weights).hexdigest()[:16], table.astype(np.float32), tokenize)
