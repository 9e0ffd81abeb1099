"""What a person sees of a run: a model folded from its published events, shown as a tree or as lines."""
