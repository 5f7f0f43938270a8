"""pdray: make any pile of images searchable, by words, by example, by metadata, by any mix."""

__version__ = "0.1.0"
