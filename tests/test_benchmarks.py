"""The benchmark table takes what has rows, and what stands beside it is run by itself."""

from __future__ import annotations

import ast

from tests.benchmarks.__main__ import HERE, benches


def test_the_table_is_of_the_modules_that_have_rows():
    assert benches() == ["dragging", "heatmaps", "opening", "training"]
    for name in benches():
        functions = [
            node.name
            for node in ast.parse((HERE / f"{name}.py").read_text("utf-8")).body
            if isinstance(node, ast.FunctionDef)
        ]
        assert "rows" in functions
