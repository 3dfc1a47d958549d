"""What mkdocs has to know of this repository: pages outside docs/, files that pages link to, tutorials to be run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
from mkdocs.structure.files import File, Files
from nbclient import NotebookClient
from nbconvert import MarkdownExporter

from qgen.json_schema import json_schema
from qgen.noise import NoiseSettings
from qgen.runs.schema import run_schema

ROOT = Path(__file__).parents[1]
#: Pages of the site that lie elsewhere in the repository.
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "adjoint.md": "qgen/backends/statevector/ADJOINT.md",
    "noise-engine.md": "qgen/backends/noisy/NOISE.md",
}
_ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_LINK = re.compile(r"(\]\(|src=\")([^)\"#:\s]+)((?:#[^)\"\s]*)?[)\"])")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages that lie outside docs/, and each file of the repository that any page links to."""
    for page, source in PAGES.items():
        files.append(File.generated(config, page, abs_src_path=str(ROOT / source)))
    for tutorial in sorted((ROOT / "docs" / "tutorials").glob("*.py")):
        markdown, pictures = _run(tutorial)
        files.append(File.generated(config, f"tutorials/{tutorial.stem}.md", content=markdown))
        for name, content in pictures.items():
            files.append(File.generated(config, f"tutorials/{name}", content=content))
    for name, schema in schemas().items():
        files.append(File.generated(config, f"schemas/{name}.json", content=json.dumps(schema, indent=1)))
    seen = {_source(file) for file in files}
    waiting = list(files.documentation_pages())
    while waiting:
        page = waiting.pop()
        for target in _targets(_source(page), page.content_string):
            if (ROOT / target).is_file() and target not in seen:
                seen.add(target)
                found = File.generated(config, _uri(target), abs_src_path=str(ROOT / target))
                files.append(found)
                waiting += [found] if found.is_documentation_page() else []
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links of a page lead to where the site has what they name."""
    uri = page.file.src_uri
    source, here = PurePosixPath(_source(page.file)).parent, PurePosixPath(uri).parent

    def moved(match: re.Match[str]) -> str:
        before, target, after = match.groups()
        found = _resolve(source, target)
        if not (ROOT / found).exists():
            return match.group()
        return f"{before}{_relative(_uri(found), here)}{after}"

    return _LINK.sub(moved, markdown)


def schemas() -> dict[str, Any]:
    """Return the JSON schemas of files of settings."""
    return {"run": run_schema(), "noise": json_schema(NoiseSettings, "qgen: a noise file")}


def _run(tutorial: Path) -> tuple[str, dict[str, bytes]]:
    """Return a tutorial as Markdown with its outputs, and its pictures by name; SKIP_TUTORIALS=1 leaves outputs out.

    Raises:
        CellExecutionError: a cell raises.
    """
    notebook = jupytext.read(tutorial)
    if not os.environ.get("SKIP_TUTORIALS"):
        with TemporaryDirectory() as folder:
            client = NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": folder}})
            client.execute(env=os.environ | {"TTY_COMPATIBLE": "0", "NO_COLOR": "1"})  # commands show no progress bars
    text, resources = MarkdownExporter().from_notebook_node(notebook)
    text = _ESCAPES.sub("", text)
    pictures = {f"{tutorial.stem}-{name}": content for name, content in resources["outputs"].items()}
    for name in resources["outputs"]:
        text = text.replace(f"]({name})", f"]({tutorial.stem}-{name})")
    return text, pictures


def _source(file: File) -> str:
    """Return where the file lies in the repository."""
    if file.abs_src_path is None:  # of a tutorial, which was run
        return f"docs/{file.src_uri}".replace(".md", ".py")
    return Path(file.abs_src_path).as_posix().removeprefix(f"{ROOT.as_posix()}/")


def _uri(path: str) -> str:
    """Return where the site has a file of the repository: tutorials as they were run, other code as text."""
    if path.startswith("docs/tutorials/"):
        return path.removeprefix("docs/").replace(".py", ".md")
    for page, source in PAGES.items():
        if path == source:
            return page
    path = path.removeprefix("docs/")
    return f"files/{path}.txt" if path.endswith((".py", ".yaml")) else path


def _targets(source: str, text: str) -> set[str]:
    return {_resolve(PurePosixPath(source).parent, match.group(2)) for match in _LINK.finditer(text)}


def _resolve(folder: PurePosixPath, target: str) -> str:
    parts: list[str] = []
    for part in (folder / target).parts:
        if part == "..":
            parts = parts[:-1]
        else:
            parts.append(part)
    return "/".join(parts)


def _relative(uri: str, folder: PurePosixPath) -> str:
    return "../" * len(folder.parts) + uri
