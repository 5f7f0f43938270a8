"""The commands and their options: what Typer reads. Nothing heavy is imported outside of a call."""
