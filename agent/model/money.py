"""How many digits an amount of money has behind its point: integer minor units need it to be read and to be written."""

_DECIMALS = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG"), 0),
    **dict.fromkeys(("RWF", "UGX", "UYI", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"), 3),
}
"""ISO 4217's minor units, where they are not two digits."""


def decimals(currency: str) -> int:
    """The digits of a currency's minor unit, whether its code is in capitals or not; 2 for one that is not known."""
    return _DECIMALS.get(currency.upper(), 2)
