import pytest
from PIL import Image

from xhat.core import UnreadableFileError
from xhat.report import PageTable, TaskPage, save_task_page


def test_the_page_holds_pictures_tables_and_facts_and_escapes_words(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    page = TaskPage(
        "Shapes <b>",
        "a lead",
        [("A picture", tmp_path / "a.png", "its caption")],
        [PageTable("Errors", ("shape", "degrees"), [("torus", "0.2")], "a note")],
        {"seed": "3"},
        ["a remark"],
    )
    html = save_task_page(tmp_path / "report.html", page).read_text("utf-8")
    for word in ("Shapes &lt;b&gt;", "its caption", "torus", "0.2", "a note", "seed", "a remark"):
        assert word in html
    assert "data:image/png;base64," in html
    assert html.index("A picture") < html.index("Errors")
    assert "://" not in html.replace("http://www.w3.org", "")


def test_a_row_must_have_a_value_for_every_column():
    with pytest.raises(ValueError, match="rows of 'Errors' must have 2 values, but one has 1"):
        PageTable("Errors", ("shape", "degrees"), [("torus",)])


def test_a_missing_picture_is_refused(tmp_path):
    page = TaskPage("Shapes", "", [("A", tmp_path / "none.png", "")])
    with pytest.raises(UnreadableFileError, match="cannot be read as a PNG or a GIF"):
        save_task_page(tmp_path / "report.html", page)
