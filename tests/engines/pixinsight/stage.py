"""Runs a rendered script on the stage of ``stage.js`` and tells what it did there."""

import json
import re
from pathlib import Path
from typing import Any

import quickjs

_STAGE = Path(__file__).with_name("stage.js").read_text(encoding="utf-8")

_PLAY: dict[str, Any] = {
    "existing": [],  # files that are there before the script begins
    "folders": ["/scratch/1"],  # and folders: a build's, for the scripts that it launches
    "keywords": [["HISTORY", "", "Integration with ImageIntegration module version 1.6.0"]],  # of the window
    "later": ["imageType", "generateFITSKeywords"],  # of the properties that 1.8.9 lacks, those that there are
    "uncalibrated": [],  # indexes of the frames that ImageCalibration fails to calibrate
    "refused": "",  # ImageIntegration returns false for frames with this in their path
    "fewerRows": False,
    "miscount": 0,
    "unsaved": False,
    "logWritten": True,
    "logRefused": False,  # beginLog() throws where it is given a path
    "abortAfter": 99,
    "goneAfter": 99,  # how many masters are saved before all folders are removed
    "busy": 0,  # how often a file cannot be removed because somebody reads it
}


def without_drive(script: str) -> str:
    """Return a script that was rendered for ``/library`` as it is where paths have no drive and no backslashes."""
    drive = Path.cwd().drive
    if not drive:
        return script
    path = rf'"(?:{drive}/|\\\\)((?:library|logs|night|scratch|scripts)(?:/|\\\\)[^"]*)"'
    return re.sub(path, lambda found: '"/' + found[1].replace(r"\\", "/") + '"', script)


def perform(script: str, **play: Any) -> dict[str, Any]:
    """Return what the stage has seen: integrations, calibrations, saved, closed, console, files, removed."""
    context = quickjs.Context()
    context.set_time_limit(20)
    body = "\n".join("" if line.startswith("#engine") else line for line in without_drive(script).split("\n"))
    context.eval(f"var PLAY = {json.dumps(_PLAY | play)};\n{_STAGE}")
    context.eval(body)
    # Code units above 0x7F leave as escapes: the bridge to Python would spoil lone surrogates.
    answer = context.eval(
        'JSON.stringify(seen).replace(/[\\u007f-\\uffff]/g, function (c) { return "\\\\u" + '
        '("0000" + c.charCodeAt(0).toString(16)).slice(-4); })'
    )
    seen: dict[str, Any] = json.loads(answer)
    return seen
