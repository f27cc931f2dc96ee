"""The pattern compiler, one file for each stage: syntax -> alphabet -> nfa -> dfa -> cascade."""
