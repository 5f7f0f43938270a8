"""How well models and indexes find what is known to be right. Numbers in, numbers out."""
