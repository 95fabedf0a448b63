"""Every workflow and every activity is registered by the worker: one that is forgotten fails only when it is called."""

import ast

from tests.project.tree import ROOT, python_files

REGISTRY = ROOT / "worker" / "registry.py"


def decorated(folder: str, decorator: str) -> set[str]:
    """Names of classes or functions below a folder that carry a decorator."""
    return {
        node.name
        for name, tree, _ in python_files(tests=False)
        if name.startswith(f"{folder}/")
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and any(ast.unparse(one).split("(")[0] == decorator for one in node.decorator_list)
    }


def registered() -> set[str]:
    tree = ast.parse(REGISTRY.read_text())
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def test_every_workflow_is_registered() -> None:
    workflows = decorated("workflows", "workflow.defn")
    assert workflows
    assert not workflows - registered()


def test_every_activity_is_registered() -> None:
    activities = decorated("activities", "activity.defn")
    assert activities
    assert not activities - registered()
