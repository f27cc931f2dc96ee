"""The pattern compiler, a stage a file: syntax -> alphabet -> nfa -> dfa -> collapse."""
