# Generated: python release/stubs.py
