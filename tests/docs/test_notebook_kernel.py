"""A notebook's kernel: classes of a cell in workers, the progress bar, what is shown under a cell."""

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

CELLS = [
    "import mecsim\n"
    "short = mecsim.load_scenario('smoke').with_changes(duration_s=20)\n"
    "class Mine:\n"
    "    def allocate(self, observation):\n"
    "        return mecsim.make_policy('gucaa').allocate(observation)\n",
    "found = mecsim.compare(short, {'mine': Mine, 'gucaa': 'gucaa'}, replications=2, jobs=2)\nfound",
    "scr = found.per_run.pivot(index='seed', columns='policy', values='scr')\n"
    "assert (scr['mine'] == scr['gucaa']).all()",
    "axes = found.plot()",
]


def test_a_class_of_a_cell_runs_in_workers_and_everything_is_shown(tmp_path):
    """Mutants: the class cannot be found in a worker; a bar that stays; a figure that is not shown."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS])
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute(cwd=str(tmp_path))
    shown = [cell.outputs for cell in notebook.cells]
    bar, table = (output.data for output in shown[1] if output.output_type != "stream")
    assert bar["text/html"] == ""  # gone once the runs are there
    assert "<table>" in table["text/html"]
    assert any("image/png" in output.get("data", {}) for output in shown[3])
