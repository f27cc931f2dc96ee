"""dstok in the place of other libraries' tokenizers: a module for each library, whose package is imported there alone.

In: a tokenizer, of dstok or of the library. Out: what the library takes and gives. Nothing else of dstok imports these.
"""
