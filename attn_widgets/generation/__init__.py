"""From logits to text: decoding with a key/value cache, sampling, stopping, and scoring skills."""
