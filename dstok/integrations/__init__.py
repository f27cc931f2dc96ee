"""dstok in the place of other libraries' tokenizers. Each library has a module, and only that imports its package.

In: a tokenizer, of dstok or of the library. Out: the library's own types. Nothing else of dstok imports these modules.
"""
