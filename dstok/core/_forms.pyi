from dstok.unicode.normalization import FormTables

class Form:
    """One normalization form; `composed`: NFC or NFKC."""

    def __init__(self, tables: FormTables, composed: bool) -> None: ...
