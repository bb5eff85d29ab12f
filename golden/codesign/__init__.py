"""The best format for each tensor within a budget: what may be chosen, and what each choice costs in accuracy."""
