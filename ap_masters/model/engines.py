"""Engines: their names, what the scripts of one are written in, and who integrated a master."""

from typing import Literal

from ap_masters.model.noun import Noun

EngineName = Literal["numpy", "pixinsight"]
JavaScript = Literal["portable", "sm", "v8"]  # for both engines of PixInsight's, or for one of them


class EngineInfo(Noun):
    """Who integrated: ``definition`` names the version of the arithmetic, as "ImageIntegration 1.6.0"."""

    name: EngineName
    version: str
    definition: str
