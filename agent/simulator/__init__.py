"""The stage: a printer and a cloud as their manuals describe them. Production rooms do not know it."""
