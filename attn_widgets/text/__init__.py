"""Text: corpora, tokenizers and batches. No torch in here."""
