"""Measures contenders side by side: processes, interleaved rounds, tables and figures."""
