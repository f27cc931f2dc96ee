from dstok.unicode.normalization import FormTables

class Form:
    """One normalization form. `composed` tells NFC and NFKC from NFD and NFKD."""

    def __init__(self, tables: FormTables, composed: bool) -> None: ...
