"""A stand-in for XFoil: it reads keys as XFoil does, and answers with a drag that is known."""

SCRIPT = """#!/bin/sh
while read -r word number; do
  case "$word" in
    alfa) angle=$number; lift=0.1 ;;
    cl) lift=$number ;;
  esac
done
echo "$angle $lift {drag} 0.001 {moment} 0.5 0.6" > polar.txt
"""


def stand_in(folder, drag=0.01, moment=-0.02):
    """Return the path of a program that always says this drag and moment."""
    path = folder / "xfoil"
    path.write_text(SCRIPT.format(drag=drag, moment=moment))
    path.chmod(0o755)
    return str(path)
