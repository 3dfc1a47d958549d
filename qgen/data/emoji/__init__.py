"""Emoji with their names: a captioned set, from a font or a package that lies on this machine."""
